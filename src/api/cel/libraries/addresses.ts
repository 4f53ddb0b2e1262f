/** Kubernetes' functions on IP addresses and CIDR ranges. */
import { isIP } from 'node:net';
import type { Environment } from '@marcbachmann/cel-js';
import { type AddressRange, parseAddress, parseRange, rangeContains } from '../../validation/addresses.ts';

class Ip {
  readonly bytes: Uint8Array;
  constructor(address: string | Uint8Array) {
    const bytes = typeof address === 'string' ? parseAddress(address) : address;
    // Zones and IPv4 within IPv6 are no addresses to Kubernetes.
    if (!bytes || (typeof address === 'string' && /%|^::ffff:[\d.]+$/i.test(address)))
      throw new Error(`IP Address ${JSON.stringify(address)} parse error`);
    this.bytes = bytes;
  }

  get text(): string {
    return addressText(this.bytes);
  }

  isIn(...ranges: AddressRange[]): boolean {
    return ranges.some((range) => rangeContains(range, this.bytes));
  }
}

class Cidr {
  readonly range: AddressRange;
  constructor(text: string | AddressRange) {
    const range = typeof text === 'string' ? parseRange(text) : text;
    if (!range) throw new Error(`network address parse error: ${text}`);
    this.range = range;
  }

  get text(): string {
    return `${addressText(this.range.bytes)}/${this.range.prefixLength}`;
  }

  containsRange({ range }: Cidr): boolean {
    return range.prefixLength >= this.range.prefixLength && rangeContains(this.range, range.bytes);
  }
}

/** The canonical form: IPv6 in lower case, with the longest run of zeros left out. */
function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  return new URL(`http://[${hexGroups(bytes)}]`).hostname.slice(1, -1);
}

function hexGroups(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at]! << 8) | bytes[at + 1]!).toString(16));
  return groups.join(':');
}

function masked({ range: { bytes, prefixLength } }: Cidr): Cidr {
  const first = Uint8Array.from(bytes, (byte, index) => {
    const kept = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
  return new Cidr({ bytes: first, prefixLength });
}

const range = (text: string) => parseRange(text)!;
const loopback = [range('127.0.0.0/8'), range('::1/128')];
const linkLocal = [range('169.254.0.0/16'), range('fe80::/10')];
const linkLocalMulticast = [range('224.0.0.0/24'), range('ff02::/16')];
const multicast = [range('224.0.0.0/4'), range('ff00::/8')];
const unspecified = [range('0.0.0.0/32'), range('::/128')];
const broadcast = range('255.255.255.255/32');

/** The namespace `ip`: the library knows methods only, so its function is a method of a constant. */
class IpNamespace {}

export function registerAddresses(environment: Environment): void {
  registerIp(environment);
  registerCidr(environment);
}

function registerIp(environment: Environment): void {
  const equal = (left: Ip, right: Ip) => Buffer.compare(left.bytes, right.bytes) === 0;
  environment
    .registerType('net.IP', Ip)
    .registerType('kubernetes.IP', IpNamespace)
    .registerConstant('ip', 'kubernetes.IP', new IpNamespace())
    .registerFunction('ip(string): net.IP', (text: string) => new Ip(text))
    .registerFunction('isIP(string): bool', (text: string) => isIP(text) !== 0)
    .registerFunction('string(net.IP): string', ({ text }: Ip) => text)
    .registerFunction(
      'kubernetes.IP.isCanonical(string): bool',
      (_: IpNamespace, text: string) => new Ip(text).text === text,
    )
    .registerOperator('net.IP == net.IP', equal)
    .registerFunction('net.IP.family(): int', ({ bytes }: Ip) => (bytes.length === 4 ? 4n : 6n))
    .registerFunction('net.IP.isUnspecified(): bool', (ip: Ip) => ip.isIn(...unspecified))
    .registerFunction('net.IP.isLoopback(): bool', (ip: Ip) => ip.isIn(...loopback))
    .registerFunction('net.IP.isLinkLocalMulticast(): bool', (ip: Ip) => ip.isIn(...linkLocalMulticast))
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', (ip: Ip) => ip.isIn(...linkLocal))
    .registerFunction(
      'net.IP.isGlobalUnicast(): bool',
      (ip: Ip) => !ip.isIn(...unspecified, ...loopback, ...multicast, ...linkLocal, broadcast),
    );
}

function registerCidr(environment: Environment): void {
  const containsIp = (cidr: Cidr, ip: Ip) => ip.isIn(cidr.range);
  const equal = (left: Cidr, right: Cidr) => left.text === right.text;
  environment
    .registerType('net.CIDR', Cidr)
    .registerFunction('cidr(string): net.CIDR', (text: string) => new Cidr(text))
    .registerFunction('isCIDR(string): bool', (text: string) => parseRange(text) !== undefined)
    .registerFunction('string(net.CIDR): string', ({ text }: Cidr) => text)
    .registerOperator('net.CIDR == net.CIDR', equal)
    .registerFunction('net.CIDR.prefixLength(): int', (cidr: Cidr) => BigInt(cidr.range.prefixLength))
    .registerFunction('net.CIDR.ip(): net.IP', (cidr: Cidr) => new Ip(cidr.range.bytes))
    .registerFunction('net.CIDR.masked(): net.CIDR', masked)
    .registerFunction('net.CIDR.containsIP(net.IP): bool', containsIp)
    .registerFunction('net.CIDR.containsIP(string): bool', (cidr: Cidr, text: string) =>
      containsIp(cidr, new Ip(text)),
    )
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', (cidr: Cidr, inner: Cidr) =>
      cidr.containsRange(inner),
    )
    .registerFunction('net.CIDR.containsCIDR(string): bool', (cidr: Cidr, text: string) =>
      cidr.containsRange(new Cidr(text)),
    );
}

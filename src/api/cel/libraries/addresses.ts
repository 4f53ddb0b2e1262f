/** Kubernetes' functions on IP addresses and CIDR ranges. */
import type { Environment } from '@marcbachmann/cel-js';
import { goQuote } from '../../../base/text/go-quote.ts';
import {
  type AddressRange,
  isMappedV4,
  parseAddress,
  parseRange,
  rangeContains,
} from '../../validation/addresses.ts';
import { replacementOf } from '../replaced-methods.ts';

class Ip {
  readonly bytes: Uint8Array;
  constructor(address: string | Uint8Array) {
    this.bytes = typeof address === 'string' ? bytesOf(address) : address;
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
  constructor(range: string | AddressRange) {
    this.range = typeof range === 'string' ? rangeOf(range) : range;
  }

  get text(): string {
    return `${addressText(this.range.bytes)}/${this.range.prefixLength}`;
  }

  containsRange({ range }: Cidr): boolean {
    return range.prefixLength >= this.range.prefixLength && rangeContains(this.range, range.bytes);
  }
}

/** Zones and IPv4 within IPv6 are no addresses to Kubernetes. @throws Error */
function bytesOf(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (!bytes)
    throw new Error(
      `IP Address ${goQuote(text)} parse error during conversion from string: ParseAddr(${goQuote(text)}): unable to parse IP`,
    );
  if (text.includes('%')) throw new Error(`IP address ${goQuote(text)} with zone value is not allowed`);
  if (isMappedV4(bytes)) throw new Error(`IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`);
  return bytes;
}

/** @throws Error */
function rangeOf(text: string): AddressRange {
  const range = parseRange(text);
  const failure = 'network address parse error during conversion from string';
  // Go takes no zeros before the length.
  if (!range || text.includes('%') || /\/0\d/.test(text))
    throw new Error(`${failure}: ${failure}: netip.ParsePrefix(${goQuote(text)}): malformed`);
  if (isMappedV4(range.bytes))
    throw new Error(`${failure}: IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`);
  return range;
}

function succeeds(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
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
const linkLocalMulticast4 = range('224.0.0.0/24');
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
    .registerFunction('isIP(string): bool', (text: string) => succeeds(() => bytesOf(text)))
    .registerFunction(`${replacementOf('string')}(net.IP): string`, ({ text }: Ip) => text)
    .registerFunction(
      'kubernetes.IP.isCanonical(string): bool',
      (_: IpNamespace, text: string) => new Ip(text).text === text,
    )
    .registerOperator('net.IP == net.IP', equal)
    .registerFunction('net.IP.family(): int', ({ bytes }: Ip) => (bytes.length === 4 ? 4n : 6n))
    .registerFunction('net.IP.isUnspecified(): bool', (ip: Ip) => ip.isIn(...unspecified))
    .registerFunction('net.IP.isLoopback(): bool', (ip: Ip) => ip.isIn(...loopback))
    .registerFunction('net.IP.isLinkLocalMulticast(): bool', isLinkLocalMulticast)
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', (ip: Ip) => ip.isIn(...linkLocal))
    .registerFunction(
      'net.IP.isGlobalUnicast(): bool',
      (ip: Ip) => !ip.isIn(...unspecified, ...loopback, ...multicast, ...linkLocal, broadcast),
    );
}

/** Of IPv6, the flags before the scope do not count. */
function isLinkLocalMulticast(ip: Ip): boolean {
  if (ip.bytes.length === 4) return ip.isIn(linkLocalMulticast4);
  return ip.bytes[0] === 0xff && (ip.bytes[1]! & 0x0f) === 0x02;
}

function registerCidr(environment: Environment): void {
  const containsIp = (cidr: Cidr, ip: Ip) => ip.isIn(cidr.range);
  const equal = (left: Cidr, right: Cidr) => left.text === right.text;
  environment
    .registerType('net.CIDR', Cidr)
    .registerFunction('cidr(string): net.CIDR', (text: string) => new Cidr(text))
    .registerFunction('isCIDR(string): bool', (text: string) => succeeds(() => rangeOf(text)))
    .registerFunction(`${replacementOf('string')}(net.CIDR): string`, ({ text }: Cidr) => text)
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

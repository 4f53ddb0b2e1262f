/** Kubernetes' functions on IP addresses and CIDR ranges. */
import { BlockList, isIP, isIPv4 } from 'node:net';
import type { Environment } from '@marcbachmann/cel-js';

class Ip {
  readonly text: string;
  constructor(text: string) {
    if (!isIP(text)) throw new Error(`IP Address "${text}" parse error`);
    this.text = text;
  }
  get family(): 'ipv4' | 'ipv6' {
    return isIPv4(this.text) ? 'ipv4' : 'ipv6';
  }
}

class Cidr {
  readonly ip: Ip;
  readonly prefixLength: number;
  constructor(text: string) {
    const [address = '', bits = ''] = text.split('/');
    this.ip = new Ip(address);
    this.prefixLength = Number(bits);
    const max = this.ip.family === 'ipv4' ? 32 : 128;
    if (!/^\d+$/.test(bits) || this.prefixLength > max)
      throw new Error(`network address parse error: ${text}`);
  }
  contains(ip: Ip): boolean {
    if (ip.family !== this.ip.family) return false;
    const range = new BlockList();
    range.addSubnet(this.ip.text, this.prefixLength, this.ip.family);
    return range.check(ip.text, ip.family);
  }
}

export function registerAddresses(environment: Environment): void {
  environment
    .registerType('net.IP', Ip)
    .registerType('net.CIDR', Cidr)
    .registerFunction('ip(string): net.IP', (text: string) => new Ip(text))
    .registerFunction('isIP(string): bool', (text: string) => isIP(text) !== 0)
    .registerFunction('net.IP.family(): int', (ip: Ip) => (ip.family === 'ipv4' ? 4n : 6n))
    .registerFunction('net.IP.isUnspecified(): bool', ({ text }: Ip) => text === '0.0.0.0' || text === '::')
    .registerFunction('net.IP.isLoopback(): bool', (ip: Ip) => loopback.some((range) => range.contains(ip)))
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', (ip: Ip) =>
      linkLocal.some((range) => range.contains(ip)),
    )
    .registerFunction('cidr(string): net.CIDR', (text: string) => new Cidr(text))
    .registerFunction('isCIDR(string): bool', isCidr)
    .registerFunction('net.CIDR.prefixLength(): int', (cidr: Cidr) => BigInt(cidr.prefixLength))
    .registerFunction('net.CIDR.ip(): net.IP', (cidr: Cidr) => cidr.ip)
    .registerFunction('net.CIDR.containsIP(string): bool', (cidr: Cidr, text: string) =>
      cidr.contains(new Ip(text)),
    )
    .registerFunction('net.CIDR.containsCIDR(string): bool', (cidr: Cidr, text: string) => {
      const inner = new Cidr(text);
      return inner.prefixLength >= cidr.prefixLength && cidr.contains(inner.ip);
    });
}

const loopback = [new Cidr('127.0.0.0/8'), new Cidr('::1/128')];
const linkLocal = [new Cidr('169.254.0.0/16'), new Cidr('fe80::/10')];

function isCidr(text: string): boolean {
  try {
    return new Cidr(text).prefixLength >= 0;
  } catch {
    // Not a range: the answer to the question.
    return false;
  }
}

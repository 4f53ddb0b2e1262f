/** Parsing and validation of IP addresses and ranges. */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { invalidValue } from './field-error.ts';
import { type Errors, noErrors } from './fields.ts';

export function ipAddress(value: string, field: string): Errors {
  // A zone belongs to a machine, and is no part of an address here.
  return isIP(value) !== 0 && !value.includes('%')
    ? noErrors
    : [invalidValue(field, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
}

export function ipv4Address(value: string, field: string): Errors {
  return isIPv4(value) ? noErrors : [invalidValue(field, value, 'must be a valid IPv4 address')];
}

export function ipv6Address(value: string, field: string): Errors {
  return isIPv6(value) ? noErrors : [invalidValue(field, value, 'must be a valid IPv6 address')];
}

/** An address range: the bytes of its first address, and how many leading bits count. */
export interface AddressRange {
  bytes: Uint8Array;
  prefixLength: number;
}

/** Bytes of an IPv4 (4) or IPv6 (16) address; undefined when it is neither. */
export function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text)) return undefined;
  let address = text.split('%')[0]!;
  const v4 = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (v4) {
    const hex = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
    address = `${address.slice(0, v4.index)}${hex(v4[1]!, v4[2]!)}:${hex(v4[3]!, v4[4]!)}`;
  }
  const [head = '', tail] = address.split('::');
  const left = head ? head.split(':') : [];
  const right = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const bytes = new Uint8Array(16);
  for (const [index, group] of [...left, ...Array<string>(zeros).fill('0'), ...right].entries()) {
    const value = Number.parseInt(group, 16);
    bytes[index * 2] = value >> 8;
    bytes[index * 2 + 1] = value & 0xff;
  }
  return bytes;
}

/** `10.0.0.0/8`, host bits allowed; undefined when malformed. */
export function parseRange(text: string): AddressRange | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const bytes = match && parseAddress(match[1]!);
  if (!bytes) return undefined;
  const prefixLength = Number(match[2]);
  return prefixLength <= bytes.length * 8 ? { bytes, prefixLength } : undefined;
}

export function rangeContains(range: AddressRange, address: Uint8Array): boolean {
  if (range.bytes.length !== address.length) return false;
  for (let bit = 0; bit < range.prefixLength; bit += 8) {
    const mask = range.prefixLength - bit >= 8 ? 0xff : (0xff << (8 - (range.prefixLength - bit))) & 0xff;
    if (((range.bytes[bit >> 3]! ^ address[bit >> 3]!) & mask) !== 0) return false;
  }
  return true;
}

export function cidr(value: string, field: string): Errors {
  return parseRange(value)
    ? noErrors
    : [invalidValue(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
}

/** The shortest form of the bytes of an address: RFC 5952, IPv4 within IPv6 as IPv4. */
function canonicalAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return [...bytes].join('.');
  if (isMappedV4(bytes)) return [...bytes.slice(12)].join('.');
  const hex = (index: number) => ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16);
  return new URL(`http://[${Array.from({ length: 8 }, (_, index) => hex(index)).join(':')}]`).hostname.slice(
    1,
    -1,
  );
}

/** IPv4 within IPv6: `::ffff:1.2.3.4`. */
export function isMappedV4(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 &&
    bytes.slice(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff
  );
}

/** What is valid, and yet read otherwise by others. */
export function* addressWarnings(value: string, field: string): Iterable<string> {
  const bytes = parseAddress(value);
  if (!bytes) return;
  const canonical = canonicalAddress(bytes);
  if (isMappedV4(bytes))
    yield `${field}: non-standard IP address ${JSON.stringify(value)} is invalid: use "${canonical}"`;
  else if (bytes.length === 16 && canonical !== value)
    yield `${field}: IPv6 address ${JSON.stringify(value)} should be in RFC 5952 canonical format ("${canonical}")`;
}

export function* rangeWarnings(value: string, field: string): Iterable<string> {
  const range = parseRange(value);
  if (!range) return;
  const { bytes, prefixLength } = range;
  const masked = bytes.map((byte, index) => byte & maskOf(prefixLength - index * 8));
  const network = `${canonicalAddress(masked)}/${prefixLength}`;
  if (masked.some((byte, index) => byte !== bytes[index]))
    yield `${field}: CIDR value ${JSON.stringify(value)} is ambiguous in this context (should be "${network}" or "${canonicalAddress(bytes)}/${bytes.length * 8}"?)`;
  else if (bytes.length === 16 && network !== value)
    yield `${field}: IPv6 CIDR value ${JSON.stringify(value)} should be in RFC 5952 canonical format ("${network}")`;
}

/** The mask of a byte with this many leading bits. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

const loopback4 = parseRange('127.0.0.0/8')!;
const loopback6 = parseRange('::1/128')!;
const linkLocal4 = parseRange('169.254.0.0/16')!;
const linkLocalMulticast4 = parseRange('224.0.0.0/24')!;
const linkLocal6 = parseRange('fe80::/10')!;
const linkLocalMulticast6 = parseRange('ff02::/16')!;

/** Addresses that traffic may not be sent to: what endpoints and external addresses must not be. */
export function nonSpecialAddress(value: string, field: string): Errors {
  const bytes = parseAddress(value);
  if (!bytes) return ipAddress(value, field);
  const v6 = bytes.length === 16;
  const errors: string[] = [];
  if (bytes.every((byte) => byte === 0)) errors.push(`may not be unspecified (${v6 ? '::' : '0.0.0.0'})`);
  if (rangeContains(loopback4, bytes) || rangeContains(loopback6, bytes))
    errors.push(`may not be in the loopback range (${v6 ? '::1/128' : '127.0.0.0/8'})`);
  if (rangeContains(linkLocal4, bytes) || rangeContains(linkLocal6, bytes))
    errors.push(`may not be in the link-local range (${v6 ? 'fe80::/10' : '169.254.0.0/16'})`);
  if (rangeContains(linkLocalMulticast4, bytes) || rangeContains(linkLocalMulticast6, bytes))
    errors.push(`may not be in the link-local multicast range (${v6 ? 'ff02::/10' : '224.0.0.0/24'})`);
  return errors.map((why) => invalidValue(field, value, why));
}

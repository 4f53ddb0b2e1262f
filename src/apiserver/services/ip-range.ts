/** Ranges of IPv4 addresses, as services get theirs from. */
import { parseIPv4 } from '../../base/text/ipv4.ts';

export interface IpRange {
  /** As it was written: `10.96.0.0/12`. */
  readonly cidr: string;
  readonly base: number;
  /** Addresses in the range, the first (network) and the last (broadcast) among them. */
  readonly size: number;
}

/** @throws when it is not an IPv4 range that has usable addresses */
export function parseIpRange(cidr: string): IpRange {
  const range = readIpRange(cidr);
  if (!range || range.size < 4) throw new Error(`${cidr} is no range of IPv4 addresses`);
  return range;
}

/** Undefined when it is not an IPv4 range. */
export function readIpRange(cidr: string): IpRange | undefined {
  const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
  const address = match ? parseIPv4(match[1]!) : undefined;
  const bits = Number(match?.[2]);
  if (address === undefined || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  return { cidr, base: address - (address % size), size };
}

/** True for addresses that a service may have: all but the first and the last. */
export function isUsable(range: IpRange, value: number): boolean {
  return value > range.base && value < range.base + range.size - 1;
}

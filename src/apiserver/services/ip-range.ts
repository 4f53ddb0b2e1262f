/** Arithmetic on a range of IPv4 addresses. */

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
  const address = match ? parseIp(match[1]!) : undefined;
  const bits = Number(match?.[2]);
  if (address === undefined || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  return { cidr, base: address - (address % size), size };
}

/** Undefined when it is not an IPv4 address. */
export function parseIp(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => (Math.floor(value / 2 ** shift) % 256).toString()).join('.');
}

/** True for addresses that a service may have: all but the first and the last. */
export function isUsable(range: IpRange, value: number): boolean {
  return value > range.base && value < range.base + range.size - 1;
}

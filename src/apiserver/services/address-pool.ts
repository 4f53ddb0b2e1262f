/**
 * The addresses that services may have: those of every ServiceCIDR that is ready. Ranges may contain one another; an
 * address has one holder, whichever range it came from.
 */
import type { ServiceCIDR } from '../../api/resources.gen.ts';
import type { Random } from '../../base/random.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import { type IpRange, isUsable, readIpRange } from './ip-range.ts';
import { NumberAllocator } from './number-allocator.ts';

interface OpenRange {
  range: IpRange;
  numbers: NumberAllocator;
}

export interface AddressPoolOptions {
  /** The server's own range: all there is until a ServiceCIDR says it. */
  range: IpRange;
  random: Random;
  serviceCidrs: ResourceCache;
}

export class AddressPool {
  readonly #options: AddressPoolOptions;
  readonly #taken = new Set<number>();
  /** By how it is written. */
  #open: ReadonlyMap<string, OpenRange> = new Map();

  constructor(options: AddressPoolOptions) {
    this.#options = options;
    this.#refresh();
    options.serviceCidrs.listen(() => this.#refresh());
  }

  /** Whether a range that is ready has the address. */
  covers(address: number): boolean {
    for (const { range } of this.#open.values()) if (isUsable(range, address)) return true;
    return false;
  }

  /** Returns false when it is taken. Addresses that services already have may lie outside of every range. */
  take(address: number): boolean {
    if (this.#taken.has(address)) return false;
    this.#taken.add(address);
    return true;
  }

  /** Any free address; undefined when no range has one. */
  takeAny(): number | undefined {
    for (const { numbers } of this.#open.values()) {
      const address = numbers.takeAny();
      if (address !== undefined) return address;
    }
    return undefined;
  }

  release(address: number): void {
    this.#taken.delete(address);
  }

  #refresh(): void {
    const { serviceCidrs, range } = this.#options;
    const open = new Map<string, OpenRange>();
    const add = (found: IpRange) =>
      open.set(found.cidr, this.#open.get(found.cidr) ?? this.#openRange(found));
    for (const { object } of serviceCidrs.values()) {
      if (!isReady(object as ServiceCIDR)) continue;
      for (const cidr of (object as ServiceCIDR).spec?.cidrs ?? []) {
        const found = readIpRange(cidr);
        if (found) add(found);
      }
    }
    if (serviceCidrs.size === 0) add(range);
    this.#open = open;
  }

  #openRange(range: IpRange): OpenRange {
    const numbers = new NumberAllocator({
      first: range.base + 1,
      size: Math.max(0, range.size - 2),
      random: this.#options.random,
      reserved: Math.min(256, Math.max(16, range.size >>> 4)),
      taken: this.#taken,
    });
    return { range, numbers };
  }
}

/** One without a Ready condition yet counts as ready: controllers may not be running. */
function isReady({ metadata, status }: ServiceCIDR): boolean {
  if (metadata.deletionTimestamp) return false;
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return !ready || ready.status === 'True';
}

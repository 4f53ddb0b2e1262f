/** Devices that are partitions of one: each consumes counters of its pool, which must not be exceeded. */
import { parseQuantity } from '../../api/quantities/quantity.ts';
import type { OfferedDevice } from './device-pools.ts';

export class Counters {
  /** `driver/pool/set/counter` → amount consumed. */
  readonly #taken = new Map<string, bigint>();

  constructor(held: readonly OfferedDevice[]) {
    for (const offered of held) this.#count(offered, 1n);
  }

  /** False, with nothing consumed, when a counter does not have enough left. */
  take(offered: OfferedDevice): boolean {
    this.#count(offered, 1n);
    const isEnough = needsOf(offered).every(({ key, set, counter }) => {
      const total = offered.counters.find(({ name }) => name === set)?.counters[counter];
      return total !== undefined && this.#taken.get(key)! <= parseQuantity(total.value).nanos;
    });
    if (!isEnough) this.giveBack(offered);
    return isEnough;
  }

  giveBack(offered: OfferedDevice): void {
    this.#count(offered, -1n);
  }

  #count(offered: OfferedDevice, times: 1n | -1n): void {
    for (const { key, nanos } of needsOf(offered))
      this.#taken.set(key, (this.#taken.get(key) ?? 0n) + times * nanos);
  }
}

function needsOf({ driver, pool, device }: OfferedDevice) {
  return (device.consumesCounters ?? []).flatMap(({ counterSet, counters }) =>
    Object.entries(counters).map(([counter, { value }]) => ({
      key: `${driver}/${pool}/${counterSet}/${counter}`,
      set: counterSet,
      counter,
      nanos: parseQuantity(value).nanos,
    })),
  );
}

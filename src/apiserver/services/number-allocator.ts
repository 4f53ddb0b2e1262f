/** Hands out numbers of a range, each to one holder: offsets of service addresses, node ports. */
import type { Random } from '../../base/random.ts';

export class NumberAllocator {
  readonly #first: number;
  readonly #size: number;
  readonly #random: Random;
  /** Numbers below this offset are given out last: clients like to choose them by hand. */
  readonly #reserved: number;
  readonly #taken: Set<number>;

  /** `taken`: numbers that have a holder, shared with other allocators whose ranges overlap this one's. */
  constructor(options: {
    first: number;
    size: number;
    random: Random;
    reserved?: number;
    taken?: Set<number>;
  }) {
    this.#first = options.first;
    this.#size = options.size;
    this.#random = options.random;
    this.#reserved = Math.min(options.reserved ?? 0, options.size);
    this.#taken = options.taken ?? new Set();
  }

  includes(value: number): boolean {
    return value >= this.#first && value < this.#first + this.#size;
  }

  /** Returns false when it is taken. */
  take(value: number): boolean {
    if (this.#taken.has(value)) return false;
    this.#taken.add(value);
    return true;
  }

  /** Any free number; undefined when there is none. */
  takeAny(): number | undefined {
    const upper = this.#scan(this.#reserved, this.#size);
    const offset = upper ?? this.#scan(0, this.#reserved);
    if (offset === undefined) return undefined;
    this.#taken.add(this.#first + offset);
    return this.#first + offset;
  }

  release(value: number): void {
    this.#taken.delete(value);
  }

  /** A free offset in [from, to), looked for from a random place on. */
  #scan(from: number, to: number): number | undefined {
    const size = to - from;
    if (size <= 0) return undefined;
    const start = Math.floor(this.#random.next() * size);
    for (let step = 0; step < size; step++) {
      const offset = from + ((start + step) % size);
      if (!this.#taken.has(this.#first + offset)) return offset;
    }
    return undefined;
  }
}

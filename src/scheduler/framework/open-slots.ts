/** Places in a list that are still open, in a ring: found without a look at all of them once they are few. */

/** So many times as many places as open ones, and the open ones are few. */
const fewFactor = 16;

export class OpenSlots {
  readonly #total: number;
  /** 1: closed. */
  readonly #closed: Uint8Array;
  #size: number;
  /** The open ones, while they are few. */
  #few: Set<number> | undefined;

  constructor(total: number) {
    this.#total = total;
    this.#closed = new Uint8Array(total);
    this.#size = total;
  }

  /** How many are open. */
  get size(): number {
    return this.#size;
  }

  isOpen(slot: number): boolean {
    return this.#closed[slot] === 0;
  }

  close(slot: number): void {
    if (this.#closed[slot] !== 0) return;
    this.#closed[slot] = 1;
    this.#size--;
    this.#few?.delete(slot);
  }

  /** A slot that is none of the list's is passed over. */
  open(slot: number): void {
    if (this.#closed[slot] !== 1) return;
    this.#closed[slot] = 0;
    this.#size++;
    if (!this.#few) return;
    if (this.#isMany()) this.#few = undefined;
    else this.#few.add(slot);
  }

  /** The open ones from `start` on, once round; undefined while they are many: then a look at each costs little. */
  fewFrom(start: number): number[] | undefined {
    if (this.#isMany()) return undefined;
    this.#few ??= this.#collect();
    const steps = (slot: number) => (slot - start + this.#total) % this.#total;
    return [...this.#few].sort((left, right) => steps(left) - steps(right));
  }

  #isMany(): boolean {
    return this.#size * fewFactor > this.#total;
  }

  #collect(): Set<number> {
    const few = new Set<number>();
    for (let slot = 0; slot < this.#total; slot++) if (this.#closed[slot] === 0) few.add(slot);
    return few;
  }
}

/** Open slots of a list, visited in a ring: once they are few, found without scanning all slots. */

/** When there are this many times more slots than open ones, the open ones are few. */
const fewFactor = 16;

export class OpenSlots {
  readonly #total: number;
  /** 1: closed. */
  readonly #closed: Uint8Array;
  #size: number;
  /** The open slots, once they are few. */
  #few: Set<number> | undefined;

  constructor(total: number) {
    this.#total = total;
    this.#closed = new Uint8Array(total);
    this.#size = total;
  }

  /** The number of open slots. */
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

  /** A slot outside the list is ignored. */
  open(slot: number): void {
    if (this.#closed[slot] !== 1) return;
    this.#closed[slot] = 0;
    this.#size++;
    if (!this.#few) return;
    if (this.#isMany()) this.#few = undefined;
    else this.#few.add(slot);
  }

  /** The open slots from `start` on, once round; undefined while they are many, when a scan costs little. */
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

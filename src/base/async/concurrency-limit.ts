/** Limits how much work is under way at once: the rest waits, first come, first served. */
export class ConcurrencyLimit {
  readonly #max: number;
  #busy = 0;
  /** Who waits, from {@link #first} on. */
  #waiting: (() => void)[] = [];
  #first = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#max) this.#busy++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#next();
      // The next takes over this place, so the count stays.
      if (next) next();
      else this.#busy--;
    }
  }

  #next(): (() => void) | undefined {
    if (this.#first === this.#waiting.length) return undefined;
    const next = this.#waiting[this.#first++];
    // Even when the queue never runs empty, finished entries are not kept forever; each is moved at most once.
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return next;
  }
}

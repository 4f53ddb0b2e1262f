/** Work of which only so much is under way at once: the rest waits for its turn, in order. */
export class Lanes {
  readonly #widthMax: number;
  #busy = 0;
  /** Who waits, from {@link #first} on. */
  #waiting: (() => void)[] = [];
  #first = 0;

  constructor(widthMax: number) {
    this.#widthMax = widthMax;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#widthMax) this.#busy++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#next();
      // The next in line takes over the lane as it is.
      if (next) next();
      else this.#busy--;
    }
  }

  #next(): (() => void) | undefined {
    if (this.#first === this.#waiting.length) return undefined;
    const next = this.#waiting[this.#first++];
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    }
    return next;
  }
}

/**
 * Long work in steps that take turns: in each round of the event loop one step runs, whosever it is, and everything else
 * runs in between.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the next step may run. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(this.#admit);
    });
  }

  /** What is scheduled within a round runs in the next one. */
  readonly #admit = () => {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(this.#admit);
  };
}

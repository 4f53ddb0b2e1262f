/** Work on several keys at once, where no two may work on the same one: whoever came first goes first. */

export class KeyTurns {
  /** Settles when the last work on a key so far has ended. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** All keys are queued for at once, so that nobody waits for somebody who waits for them. */
  take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const turn = Promise.all(keys.map((key) => this.#last.get(key))).then(work);
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    for (const key of keys) this.#last.set(key, ended);
    void ended.then(() => {
      for (const key of keys) if (this.#last.get(key) === ended) this.#last.delete(key);
    });
    return turn;
  }
}

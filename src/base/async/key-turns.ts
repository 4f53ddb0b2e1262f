/** Work on several keys at once, where no two tasks may work on the same key: first come, first served. */

export class KeyTurns {
  /** Settles when the last task queued for a key has ended. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** A task queues for all its keys at once, which rules out deadlocks. */
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

/** How many watchers of a resource see a change of an object: what its write costs besides being written. */

/** What a watch is about: all objects, those of a namespace, or one. */
export interface WatchScope {
  /** Empty for all. */
  namespace: string;
  /** Empty for all. */
  name: string;
}

export class WatcherCounts {
  readonly #counts = new Map<string, number>();

  /** Returns a function that takes the watcher out again. */
  add(scope: WatchScope): () => void {
    const key = keyOf(scope);
    this.#counts.set(key, this.#of(scope) + 1);
    return () => {
      const left = this.#of(scope) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }

  /** Of an object, or of any in a namespace when it has no name yet. */
  interestedIn({ namespace, name }: WatchScope): number {
    return (
      this.#of({ namespace: '', name: '' }) +
      (namespace === '' ? 0 : this.#of({ namespace, name: '' })) +
      (name === '' ? 0 : this.#of({ namespace, name }))
    );
  }

  #of(scope: WatchScope): number {
    return this.#counts.get(keyOf(scope)) ?? 0;
  }
}

function keyOf({ namespace, name }: WatchScope): string {
  return `${namespace}/${name}`;
}

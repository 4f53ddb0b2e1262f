/** Which pod a sandbox or container belongs to: the runtime's events do not say. */

export class PodOwners {
  readonly #uids = new Map<string, string>();

  get size(): number {
    return this.#uids.size;
  }

  podOf(id: string): string | undefined {
    return this.#uids.get(id);
  }

  set(id: string, podUid: string): void {
    this.#uids.set(id, podUid);
  }

  delete(id: string): void {
    this.#uids.delete(id);
  }

  /**
   * Call this before the runtime is listed, and its result afterwards: ids known at the first call and missing from the
   * list are dropped. Ids added in between may be missing from the list, and stay.
   */
  beforeListing(): (isThere: (id: string) => boolean) => void {
    const before = [...this.#uids.keys()];
    return (isThere) => {
      for (const id of before) if (!isThere(id)) this.#uids.delete(id);
    };
  }
}

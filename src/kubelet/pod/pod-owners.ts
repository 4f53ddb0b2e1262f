/** Which pod a sandbox or container belongs to: what the runtime's events do not say. */

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
   * Call before the runtime is asked for all there is, and what comes back afterwards: of the ids that were known then,
   * those that are not there any more are forgotten. What is made in between may not be in the runtime's answer and stays.
   */
  beforeListing(): (isThere: (id: string) => boolean) => void {
    const before = [...this.#uids.keys()];
    return (isThere) => {
      for (const id of before) if (!isThere(id)) this.#uids.delete(id);
    };
  }
}

/** Sandboxes that are being made. */
export class SandboxStarts {
  readonly #sinceMs: number[] = [];

  /** Gives what to call when it stands or has failed. */
  begin(nowMs: number): () => void {
    this.#sinceMs.push(nowMs);
    return () => {
      this.#sinceMs.splice(this.#sinceMs.indexOf(nowMs), 1);
    };
  }

  /** When the oldest of them was begun; undefined: there is none. */
  oldestMs(): number | undefined {
    return this.#sinceMs[0];
  }
}

/** Sandboxes that are being created. */
export class SandboxStarts {
  readonly #sinceMs: number[] = [];

  /** Returns a function to call when the sandbox is complete or has failed. */
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

/** Counts by topology value that can be changed for what-if questions without copying them. */
import type { Counts } from '../framework/pod-index.ts';

export class TopologyCounts {
  readonly topologyKey: string;
  readonly #base: Counts;
  #changes: Map<string, number> | undefined;
  #lowest: number | undefined;

  constructor(topologyKey: string, base: Counts) {
    this.topologyKey = topologyKey;
    this.#base = base;
  }

  get(value: string): number {
    const count = this.#base.get(value) ?? 0;
    return this.#changes ? count + (this.#changes.get(value) ?? 0) : count;
  }

  /** Only the varied copy changes; the base is shared. */
  add(value: string, by: number): void {
    this.#changes ??= new Map();
    this.#changes.set(value, (this.#changes.get(value) ?? 0) + by);
    this.#lowest = undefined;
  }

  clone(): TopologyCounts {
    const copy = new TopologyCounts(this.topologyKey, this.#base);
    copy.#changes = this.#changes && new Map(this.#changes);
    return copy;
  }

  /** No value has a count. */
  get isEmpty(): boolean {
    if (!this.#changes) return this.#base.size === 0;
    for (const value of this.#base.keys()) if (this.get(value) > 0) return false;
    for (const value of this.#changes.keys()) if (this.get(value) > 0) return false;
    return true;
  }

  /** The lowest count over all values of the base, and how many values there are. */
  lowest(): { count: number; values: number } {
    if (this.#lowest === undefined) {
      let count = Number.POSITIVE_INFINITY;
      for (const value of this.#base.keys()) count = Math.min(count, this.get(value));
      this.#lowest = this.#base.size === 0 ? 0 : count;
    }
    return { count: this.#lowest, values: this.#base.size };
  }
}

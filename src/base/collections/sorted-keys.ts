/**
 * An ordered set of strings in blocks, so that an insertion among hundreds of thousands moves only a few hundred.
 * Changes are merged when the order is needed, or when they are many: most keys come and go between two reads.
 */

/** A block that grows beyond this is split. */
const blockKeysMax = 512;
/** More changes than this do not wait. */
const changesMax = 4_096;
/** So few are put in one by one; more of them block by block. */
const fewChanges = 16;

export class SortedKeys {
  /** Never holds an empty block, except when the whole set is empty. */
  #blocks: string[][] = [];
  #size = 0;
  /** Not in the blocks yet: whether the key is present. */
  readonly #changes = new Map<string, boolean>();

  /** `keys`: each once, in any order. */
  static of(keys: Iterable<string>): SortedKeys {
    const made = new SortedKeys();
    const sorted = [...keys].sort();
    made.#size = sorted.length;
    // Half full, as blocks are that have grown: the next key among them splits none.
    for (let at = 0; at < sorted.length; at += blockKeysMax / 2)
      made.#blocks.push(sorted.slice(at, at + blockKeysMax / 2));
    return made;
  }

  get size(): number {
    this.#settle();
    return this.#size;
  }

  add(key: string): void {
    this.#change(key, true);
  }

  delete(key: string): void {
    this.#change(key, false);
  }

  #change(key: string, isThere: boolean): void {
    this.#changes.set(key, isThere);
    if (this.#changes.size > changesMax) this.#settle();
  }

  /** Keys that start with `prefix` and sort after `after`, ascending. The set must not change meanwhile. */
  *withPrefix(prefix: string, after?: string): Generator<string, void, undefined> {
    this.#settle();
    const start = after !== undefined && after >= prefix ? after : prefix;
    for (let blockIndex = this.#blockFor(start); blockIndex < this.#blocks.length; blockIndex++) {
      const block = this.#blocks[blockIndex]!;
      for (let at = lowerBound(block, start); at < block.length; at++) {
        const key = block[at]!;
        if (key === after) continue;
        if (!key.startsWith(prefix)) return;
        yield key;
      }
    }
  }

  /** All that {@link SortedKeys.withPrefix} yields, several times as fast. */
  listWithPrefix(prefix: string, after?: string): string[] {
    this.#settle();
    const start = after !== undefined && after >= prefix ? after : prefix;
    const found: string[] = [];
    for (let blockIndex = this.#blockFor(start); blockIndex < this.#blocks.length; blockIndex++) {
      const block = this.#blocks[blockIndex]!;
      let at = lowerBound(block, start);
      if (at < block.length && block[at] === after) at++;
      if (at < block.length && !block[at]!.startsWith(prefix)) break;
      // What is sorted between two that start with the prefix starts with it too.
      const end = block.at(-1)?.startsWith(prefix) ? block.length : lowerBound(block, endOf(prefix));
      for (; at < end; at++) found.push(block[at]!);
      if (end < block.length) break;
    }
    return found;
  }

  /** How many keys {@link SortedKeys.withPrefix} yields, without iterating over them. */
  countWithPrefix(prefix: string, after?: string): number {
    this.#settle();
    const end = this.#rank(endOf(prefix));
    const start = after !== undefined && after >= prefix ? this.#rank(`${after}\0`) : this.#rank(prefix);
    return Math.max(0, end - start);
  }

  /** Brings the changes into the blocks. */
  #settle(): void {
    if (this.#changes.size === 0) return;
    if (this.#changes.size > fewChanges) this.#merge([...this.#changes.keys()].sort());
    else for (const [key, isThere] of this.#changes) isThere ? this.#insert(key) : this.#remove(key);
    this.#changes.clear();
  }

  #insert(key: string): void {
    if (this.#blocks.length === 0) this.#blocks.push([]);
    const blockIndex = this.#blockFor(key);
    const block = this.#blocks[blockIndex]!;
    const at = lowerBound(block, key);
    if (block[at] === key) return;
    block.splice(at, 0, key);
    this.#size++;
    if (block.length > blockKeysMax) this.#blocks.splice(blockIndex + 1, 0, block.splice(block.length >>> 1));
  }

  #remove(key: string): void {
    const blockIndex = this.#blockFor(key);
    const block = this.#blocks[blockIndex];
    if (!block) return;
    const at = lowerBound(block, key);
    if (block[at] !== key) return;
    block.splice(at, 1);
    this.#size--;
    if (block.length === 0) this.#blocks.splice(blockIndex, 1);
  }

  /** `changed`: in order. Blocks without changes are kept. */
  #merge(changed: readonly string[]): void {
    const before = this.#blocks.length > 0 ? this.#blocks : [[]];
    const blocks: string[][] = [];
    let at = 0;
    for (const [index, block] of before.entries()) {
      const next = before[index + 1]?.[0];
      const from = at;
      while (at < changed.length && (next === undefined || changed[at]! < next)) at++;
      if (at === from) {
        blocks.push(block);
        continue;
      }
      const merged = this.#mergeBlock(block, changed.slice(from, at));
      this.#size += merged.length - block.length;
      if (merged.length <= blockKeysMax) {
        if (merged.length > 0) blocks.push(merged);
      } else
        for (let start = 0; start < merged.length; start += blockKeysMax / 2)
          blocks.push(merged.slice(start, start + blockKeysMax / 2));
    }
    this.#blocks = blocks;
  }

  #mergeBlock(block: readonly string[], changed: readonly string[]): string[] {
    const merged: string[] = [];
    let at = 0;
    for (const key of changed) {
      while (at < block.length && block[at]! < key) merged.push(block[at++]!);
      if (block[at] === key) at++;
      if (this.#changes.get(key)) merged.push(key);
    }
    while (at < block.length) merged.push(block[at++]!);
    return merged;
  }

  /** How many keys sort before `key`. */
  #rank(key: string): number {
    const blockIndex = this.#blockFor(key);
    let rank = 0;
    for (let index = 0; index < blockIndex; index++) rank += this.#blocks[index]!.length;
    const block = this.#blocks[blockIndex];
    return block ? rank + lowerBound(block, key) : rank;
  }

  /** Index of the last block whose first key is not greater than `key`. */
  #blockFor(key: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#blocks[middle]![0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Sorts after every key that starts with `prefix`: no key holds this character. */
function endOf(prefix: string): string {
  return `${prefix}\uffff`;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

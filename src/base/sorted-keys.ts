/** An ordered set of strings in blocks, so that inserting among hundreds of thousands moves only a few hundred. */

/** A block that grows beyond this is split in two. */
const blockKeysMax = 512;

export class SortedKeys {
  /** Never holds an empty block, except when the whole set is empty. */
  #blocks: string[][] = [];
  #size = 0;

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
    return this.#size;
  }

  /** Returns false when the key was there already. */
  add(key: string): boolean {
    if (this.#blocks.length === 0) this.#blocks.push([]);
    const blockIndex = this.#blockFor(key);
    const block = this.#blocks[blockIndex]!;
    const at = lowerBound(block, key);
    if (block[at] === key) return false;
    block.splice(at, 0, key);
    this.#size++;
    if (block.length > blockKeysMax) this.#blocks.splice(blockIndex + 1, 0, block.splice(block.length >>> 1));
    return true;
  }

  /** Returns false when the key was not there. */
  delete(key: string): boolean {
    const blockIndex = this.#blockFor(key);
    const block = this.#blocks[blockIndex];
    if (!block) return false;
    const at = lowerBound(block, key);
    if (block[at] !== key) return false;
    block.splice(at, 1);
    this.#size--;
    if (block.length === 0) this.#blocks.splice(blockIndex, 1);
    return true;
  }

  /** Keys that start with `prefix` and sort after `after`, ascending. The set must not change meanwhile. */
  *withPrefix(prefix: string, after?: string): Generator<string, void, undefined> {
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

  /** How many keys {@link SortedKeys.withPrefix} gives, without going through them. */
  countWithPrefix(prefix: string, after?: string): number {
    const end = this.#rank(endOf(prefix));
    const start = after !== undefined && after >= prefix ? this.#rank(`${after}\0`) : this.#rank(prefix);
    return Math.max(0, end - start);
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

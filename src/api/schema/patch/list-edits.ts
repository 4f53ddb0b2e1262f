/**
 * Changes of lists by index, many to one list. Where a list is long, each would move all that stands behind it: such a
 * list is changed in pieces, and put together when somebody wants to see it whole.
 */

/** Shorter lists are changed as they are. */
const longFrom = 2048;
const pieceLengthMax = 1024;

export class ListEdits {
  readonly #pieced = new Map<unknown[], PiecedList>();

  lengthOf(list: unknown[]): number {
    return this.#pieced.get(list)?.length ?? list.length;
  }

  at(list: unknown[], index: number): unknown {
    const pieced = this.#pieced.get(list);
    return pieced ? pieced.at(index) : list[index];
  }

  set(list: unknown[], index: number, value: unknown): void {
    const pieced = this.#pieced.get(list);
    if (pieced) pieced.set(index, value);
    else list[index] = value;
  }

  insert(list: unknown[], index: number, value: unknown): void {
    const pieced = this.#inPieces(list);
    if (pieced) pieced.insert(index, value);
    else list.splice(index, 0, value);
  }

  remove(list: unknown[], index: number): void {
    const pieced = this.#inPieces(list);
    if (pieced) pieced.remove(index);
    else list.splice(index, 1);
  }

  /** Puts together what is in pieces, for someone who looks at all of `value`. */
  settle(value: unknown): void {
    if (this.#pieced.size > 0) this.#settleBelow(value);
  }

  #settleBelow(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      this.#pieced.get(value)?.writeTo(value);
      this.#pieced.delete(value);
      for (const item of value) this.#settleBelow(item);
    } else for (const key in value) this.#settleBelow((value as Record<string, unknown>)[key]);
  }

  #inPieces(list: unknown[]): PiecedList | undefined {
    let pieced = this.#pieced.get(list);
    if (!pieced && list.length >= longFrom) {
      pieced = new PiecedList(list);
      this.#pieced.set(list, pieced);
    }
    return pieced;
  }
}

class PiecedList {
  /** None of them is empty. */
  readonly #pieces: unknown[][] = [];
  length: number;

  constructor(list: readonly unknown[]) {
    this.length = list.length;
    for (let at = 0; at < list.length; at += pieceLengthMax / 2)
      this.#pieces.push(list.slice(at, at + pieceLengthMax / 2));
  }

  at(index: number): unknown {
    const { piece, at } = this.#find(index);
    return this.#pieces[piece]![at];
  }

  set(index: number, value: unknown): void {
    const { piece, at } = this.#find(index);
    this.#pieces[piece]![at] = value;
  }

  insert(index: number, value: unknown): void {
    this.length++;
    const { piece, at } = this.#find(index);
    const items = this.#pieces[piece];
    if (!items) {
      this.#pieces.push([value]);
      return;
    }
    items.splice(at, 0, value);
    if (items.length > pieceLengthMax) this.#pieces.splice(piece + 1, 0, items.splice(pieceLengthMax / 2));
  }

  remove(index: number): void {
    this.length--;
    const { piece, at } = this.#find(index);
    const items = this.#pieces[piece]!;
    items.splice(at, 1);
    if (items.length === 0) this.#pieces.splice(piece, 1);
  }

  writeTo(list: unknown[]): void {
    list.length = 0;
    for (const piece of this.#pieces) for (const item of piece) list.push(item);
  }

  /** The end of the last piece counts as within it; only without any piece there is none. */
  #find(index: number): { piece: number; at: number } {
    let at = index;
    let piece = 0;
    while (piece < this.#pieces.length - 1 && at >= this.#pieces[piece]!.length) {
      at -= this.#pieces[piece]!.length;
      piece++;
    }
    return { piece, at };
  }
}

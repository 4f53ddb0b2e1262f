/**
 * The unified diff of two texts, as Python's difflib computes it: the longest run of common lines, then the same to the
 * left and to the right of it. (A shortest edit script, which most libraries compute, pairs other lines.)
 */

/** Lines around a change that are shown with it. */
const contextLines = 3;
/** In texts of at least this many lines, a line that makes up more than one percent says nothing about its position. */
const popularFromLines = 200;
/** Texts of more lines are not searched (the search is quadratic): what lies between their common ends is one change. */
const searchedLinesMax = 4_000;

interface Block {
  readonly a: number;
  readonly b: number;
  readonly size: number;
}

/** From a line to another that is not in it, of the first text and of the second. */
type Range = readonly [aFrom: number, aTo: number, bFrom: number, bTo: number];

/** Lines `a` to `aEnd` of the first text stand where `b` to `bEnd` of the second do. */
interface Span {
  readonly isEqual: boolean;
  readonly a: number;
  readonly aEnd: number;
  readonly b: number;
  readonly bEnd: number;
}

/** Hunks without names of files, each line ended; empty when the texts are the same. */
export function unifiedDiff(before: string, after: string): string {
  const a = before.split('\n');
  const b = after.split('\n');
  const blocks = Math.max(a.length, b.length) > searchedLinesMax ? commonEnds(a, b) : commonBlocks(a, b);
  return hunksOf(spansOf(blocks, a.length, b.length))
    .map((hunk) => printHunk(hunk, a, b))
    .join('');
}

function commonEnds(a: readonly string[], b: readonly string[]): Block[] {
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < shorter - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  return [
    { a: 0, b: 0, size: head },
    { a: a.length - tail, b: b.length - tail, size: tail },
  ].filter(({ size }) => size > 0);
}

function commonBlocks(a: readonly string[], b: readonly string[]): Block[] {
  const places = uniquePlaces(b);
  const blocks: Block[] = [];
  const ranges: Range[] = [[0, a.length, 0, b.length]];
  for (let range = ranges.pop(); range; range = ranges.pop()) {
    const [aFrom, aTo, bFrom, bTo] = range;
    const block = longestBlock(a, b, places, range);
    if (block.size === 0) continue;
    blocks.push(block);
    if (aFrom < block.a && bFrom < block.b) ranges.push([aFrom, block.a, bFrom, block.b]);
    const aEnd = block.a + block.size;
    const bEnd = block.b + block.size;
    if (aEnd < aTo && bEnd < bTo) ranges.push([aEnd, aTo, bEnd, bTo]);
  }
  return blocks.sort((one, other) => one.a - other.a);
}

/** The positions of each line of the second text, without lines that are too frequent. */
function uniquePlaces(lines: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [index, line] of lines.entries()) {
    const found = places.get(line);
    if (found) found.push(index);
    else places.set(line, [index]);
  }
  if (lines.length < popularFromLines) return places;
  const popularFrom = Math.floor(lines.length / 100) + 1;
  for (const [line, found] of places) if (found.length > popularFrom) places.delete(line);
  return places;
}

/** Of several as long the first in `a`, of these the first in `b`. */
function longestBlock(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, number[]>,
  [aFrom, aTo, bFrom, bTo]: Range,
): Block {
  let best: Block = { a: aFrom, b: bFrom, size: 0 };
  /** How long the block is that ends at a place of `b` and at the line of `a` before this one. */
  let lengths = new Map<number, number>();
  for (let i = aFrom; i < aTo; i++) {
    const next = new Map<number, number>();
    for (const j of places.get(a[i]!) ?? []) {
      if (j < bFrom) continue;
      if (j >= bTo) break;
      const size = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, size);
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size };
    }
    lengths = next;
  }
  let { a: aStart, b: bStart } = best;
  while (aStart > aFrom && bStart > bFrom && a[aStart - 1] === b[bStart - 1]) {
    aStart--;
    bStart--;
  }
  let aEnd = best.a + best.size;
  let bEnd = best.b + best.size;
  while (aEnd < aTo && bEnd < bTo && a[aEnd] === b[bEnd]) {
    aEnd++;
    bEnd++;
  }
  return { a: aStart, b: bStart, size: aEnd - aStart };
}

/** The whole of both texts, what is alike and what is not in turns. */
function spansOf(blocks: readonly Block[], aLines: number, bLines: number): Span[] {
  const spans: Span[] = [];
  let a = 0;
  let b = 0;
  for (const block of [...blocks, { a: aLines, b: bLines, size: 0 }]) {
    if (a < block.a || b < block.b) spans.push({ isEqual: false, a, aEnd: block.a, b, bEnd: block.b });
    a = block.a + block.size;
    b = block.b + block.size;
    const last = spans.at(-1);
    if (last?.isEqual) spans[spans.length - 1] = { ...last, aEnd: a, bEnd: b };
    else if (block.size > 0) spans.push({ isEqual: true, a: block.a, aEnd: a, b: block.b, bEnd: b });
  }
  return spans;
}

/** Changes with the lines around them; such that lie close together are one hunk. */
function hunksOf(spans: readonly Span[]): Span[][] {
  const hunks: Span[][] = [];
  let hunk: Span[] = [];
  for (const [index, span] of spans.entries()) {
    const lines = span.aEnd - span.a;
    if (!span.isEqual) hunk.push(span);
    else if (index === 0) hunk.push(lastLines(span));
    else if (index === spans.length - 1) hunk.push(firstLines(span));
    else if (lines <= 2 * contextLines) hunk.push(span);
    else {
      hunks.push([...hunk, firstLines(span)]);
      hunk = [lastLines(span)];
    }
  }
  if (hunk.some(({ isEqual }) => !isEqual)) hunks.push(hunk);
  return hunks;
}

function firstLines(span: Span): Span {
  const lines = Math.min(contextLines, span.aEnd - span.a);
  return { ...span, aEnd: span.a + lines, bEnd: span.b + lines };
}

function lastLines(span: Span): Span {
  const lines = Math.min(contextLines, span.aEnd - span.a);
  return { ...span, a: span.aEnd - lines, b: span.bEnd - lines };
}

function printHunk(hunk: readonly Span[], a: readonly string[], b: readonly string[]): string {
  const first = hunk[0]!;
  const last = hunk.at(-1)!;
  const lines = [`@@ -${printRange(first.a, last.aEnd)} +${printRange(first.b, last.bEnd)} @@`];
  for (const span of hunk) {
    const mark = span.isEqual ? ' ' : '-';
    for (const line of a.slice(span.a, span.aEnd)) lines.push(mark + line);
    if (!span.isEqual) for (const line of b.slice(span.b, span.bEnd)) lines.push(`+${line}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Lines count from 1; a range of none names the line before it. */
function printRange(start: number, end: number): string {
  const lines = end - start;
  if (lines === 1) return String(start + 1);
  return `${lines === 0 ? start : start + 1},${lines}`;
}

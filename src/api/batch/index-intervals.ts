/** Sets of completion indexes as clients and statuses write them (`0,2-4`), validated with upstream's messages. */

export interface Interval {
  first: number;
  last: number;
}

/** The intervals of a text, or the error in it. Every index must be below `completions`. */
export function parseIntervals(text: string, completions: number): Interval[] | string {
  const intervals: Interval[] = [];
  if (text === '') return intervals;
  let previous: number | undefined;
  for (const part of text.split(',')) {
    const interval = parseInterval(part, completions);
    if (typeof interval === 'string') return interval;
    if (previous !== undefined && previous >= interval.first) return notIncreasing(previous, interval.first);
    previous = interval.last;
    intervals.push(interval);
  }
  return intervals;
}

function parseInterval(text: string, completions: number): Interval | string {
  const limits = text.split('-');
  if (limits.length > 2)
    return `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`;
  for (const limit of limits) {
    if (!/^\+?[0-9]+$/.test(limit))
      return `cannot convert string to integer for index: ${JSON.stringify(limit)}`;
    if (Number(limit) >= completions) return `too large index: ${JSON.stringify(limit)}`;
  }
  const [first = 0, last = first] = limits.map(Number);
  return limits.length === 2 && first >= last ? notIncreasing(first, last) : { first, last };
}

function notIncreasing(previous: number, current: number): string {
  return `non-increasing order, previous: ${previous}, current: ${current}`;
}

export function countIndexes(intervals: readonly Interval[]): number {
  return intervals.reduce((total, { first, last }) => total + last - first + 1, 0);
}

/** The first index that is in both. */
export function firstCommonIndex(left: readonly Interval[], right: readonly Interval[]): number | undefined {
  for (const one of left)
    for (const other of right)
      if (one.first <= other.last && other.first <= one.last) return Math.max(one.first, other.first);
  return undefined;
}

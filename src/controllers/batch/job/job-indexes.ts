/** Sets of completion indexes, written as in a Job's status: `0,2-4,7`. */

/** Indexes below `limit`; any beyond it were written for a larger job. */
export function parseIndexes(text: string | undefined, limit = Number.POSITIVE_INFINITY): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    if (part === '') continue;
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    for (let index = first; index <= last && index < limit; index++) indexes.add(index);
  }
  return indexes;
}

export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    while (sorted[end + 1] === sorted[end]! + 1) end++;
    const [first, last] = [sorted[at]!, sorted[end]!];
    const joint = last === first + 1 ? ',' : '-';
    parts.push(first === last ? `${first}` : `${first}${joint}${last}`);
    at = end + 1;
  }
  return parts.join(',');
}

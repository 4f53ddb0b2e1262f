/** One set of figures out of several rounds of the same. */

type Figures = { [name: string]: number | Figures };

/** The median of each figure; of an even number of rounds the lower of the two in the middle. */
export function medians(rounds: readonly object[]): Figures {
  const all = rounds as readonly Figures[];
  return Object.fromEntries(
    Object.keys(all[0] ?? {}).map((name) => [name, median(all.map((one) => one[name]!))]),
  );
}

function median(values: readonly (number | Figures)[]): number | Figures {
  if (typeof values[0] !== 'number') return medians(values as Figures[]);
  const sorted = [...(values as number[])].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

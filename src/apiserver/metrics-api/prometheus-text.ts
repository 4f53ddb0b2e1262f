/** Prometheus' text format, as far as autoscaling needs it: series of numbers, and which of them only grow. */

export interface ExposedMetric {
  isCounter: boolean;
  /** By their labels, as the text has them. */
  series: Map<string, ExposedSeries>;
}

export interface ExposedSeries {
  labels: Record<string, string>;
  value: number;
}

/**
 * Values of labels may contain braces, as `path="/users/{id}"`. Pods write these texts, so both patterns take linear time: no
 * white space can be divided in two ways, and a name begins at its first letter.
 */
const sampleLine = /^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\s*\{((?:[^"}]|"(?:\\.|[^"\\])*")*)\}\s*|\s+)(\S+)/;
const labelPair = /(?<![a-zA-Z0-9_])([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:\\.|[^"\\])*)"/g;
const counterSuffix = '_total';

/** Buckets and quantiles of histograms and summaries are left out: sums over them mean nothing. */
export function parsePrometheusText(text: string): Map<string, ExposedMetric> {
  const types = new Map<string, string>();
  const metrics = new Map<string, ExposedMetric>();
  for (const line of text.split('\n')) {
    const [, typed, type] = /^#\s+TYPE\s+(\S+)\s+(\S+)/.exec(line) ?? [];
    if (typed && type) types.set(typed, type);
    const match = line.startsWith('#') ? null : sampleLine.exec(line);
    if (!match) continue;
    const [, name = '', labels = '', number = ''] = match;
    const value = Number(number);
    if (!Number.isFinite(value) || name.endsWith('_bucket') || types.get(name) === 'summary') continue;
    const metric = metrics.get(name) ?? { isCounter: isCounter(name, types), series: new Map() };
    metrics.set(name, metric);
    metric.series.set(labels, { labels: parseLabels(labels), value });
  }
  return metrics;
}

function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(labelPair)].map(([, name, value]) => [name, unescaped(value!)]),
  );
}

function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter));
}

/** OpenMetrics gives the type to the name without its suffix, and some programs give none. */
function isCounter(name: string, types: ReadonlyMap<string, string>): boolean {
  const own = types.get(name);
  if (own !== undefined && own !== 'untyped' && own !== 'unknown') return own === 'counter';
  return name.endsWith(counterSuffix) || isPartOfHistogram(name, types);
}

/** `x_sum` and `x_count` only grow, though the type is that of `x`. */
function isPartOfHistogram(name: string, types: ReadonlyMap<string, string>): boolean {
  const base = /^(.*)_(?:sum|count)$/.exec(name)?.[1];
  const type = base === undefined ? undefined : types.get(base);
  return type === 'histogram' || type === 'summary';
}

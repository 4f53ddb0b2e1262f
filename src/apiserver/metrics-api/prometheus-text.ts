/** Prometheus' text format, as far as autoscaling needs it: one number per metric. */

export interface ExposedMetric {
  /** The sum over all its series. */
  value: number;
  isCounter: boolean;
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})?\s+(\S+)/;

/** Buckets and quantiles of histograms and summaries are left out: sums over them mean nothing. */
export function parsePrometheusText(text: string): Map<string, ExposedMetric> {
  const types = new Map<string, string>();
  const metrics = new Map<string, ExposedMetric>();
  for (const line of text.split('\n')) {
    if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(/\s+/);
      types.set(name, type);
      continue;
    }
    const match = line.startsWith('#') ? null : sampleLine.exec(line);
    if (!match) continue;
    const [, name = '', number = ''] = match;
    const value = Number(number);
    if (!Number.isFinite(value) || name.endsWith('_bucket')) continue;
    const known = metrics.get(name);
    if (known) known.value += value;
    else
      metrics.set(name, {
        value,
        isCounter: types.get(name) === 'counter' || isPartOfHistogram(name, types),
      });
  }
  return metrics;
}

/** `x_sum` and `x_count` only grow, though the type is that of `x`. */
function isPartOfHistogram(name: string, types: ReadonlyMap<string, string>): boolean {
  const base = /^(.*)_(?:sum|count)$/.exec(name)?.[1];
  const type = base === undefined ? undefined : types.get(base);
  return type === 'histogram' || type === 'summary';
}

/** Counters, gauges and histograms in Prometheus' text format. */

export type Labels = Record<string, string>;

export interface Counter {
  add(amount: number, labels?: Labels): void;
  bind(labels: Labels): BoundCounter;
  /** What the labels stand for is gone. */
  remove(labels: Labels): void;
}
/** A series with its labels bound, for frequent writes. */
export interface BoundCounter {
  add(amount: number): void;
}
/** As {@link BoundCounter}. */
export interface BoundHistogram {
  /** `times`: the number of observations of the same value; 1 when absent. */
  observe(value: number, times?: number): void;
}
export interface Gauge {
  set(value: number, labels?: Labels): void;
  add(amount: number, labels?: Labels): void;
  remove(labels: Labels): void;
}
export interface Histogram {
  observe(value: number, labels?: Labels): void;
  bind(labels: Labels): BoundHistogram;
  /** As {@link Counter.remove}. */
  remove(labels: Labels): void;
}

interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  lines(): Iterable<string>;
}

export interface MetricsRegistryOptions {
  /** The stability level that precedes the help of a metric; none when this returns undefined. */
  stabilityOf?(name: string): string | undefined;
}

export class MetricsRegistry {
  readonly #families = new Map<string, Family>();
  readonly #stabilityOf: (name: string) => string | undefined;

  constructor({ stabilityOf = () => undefined }: MetricsRegistryOptions = {}) {
    this.#stabilityOf = stabilityOf;
  }

  /** The names of all that was registered. */
  names(): Iterable<string> {
    return this.#families.keys();
  }

  counter(name: string, help: string): Counter {
    return this.#valueFamily(name, help, 'counter');
  }

  /** A counter without labels: it is there before anything was counted. */
  plainCounter(name: string, help: string): BoundCounter {
    return this.counter(name, help).bind({});
  }

  gauge(name: string, help: string): Gauge {
    return this.#valueFamily(name, help, 'gauge');
  }

  /** `buckets`: upper bounds, ascending; `+Inf` is added. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    const series = new Map<string, { labels: Labels; counts: number[]; sum: number }>();
    this.#register({
      name,
      help,
      type: 'histogram',
      *lines() {
        for (const { labels, counts, sum } of series.values()) {
          let total = 0;
          for (const [index, bound] of [...buckets, Number.POSITIVE_INFINITY].entries()) {
            total += counts[index]!;
            yield `${name}_bucket${formatLabels({ ...labels, le: formatNumber(bound) })} ${total}`;
          }
          yield `${name}_sum${formatLabels(labels)} ${formatNumber(sum)}`;
          yield `${name}_count${formatLabels(labels)} ${total}`;
        }
      },
    });
    const seriesOf = (labels: Labels) => {
      const key = formatLabels(labels);
      let entry = series.get(key);
      if (!entry) {
        entry = { labels, counts: new Array(buckets.length + 1).fill(0), sum: 0 };
        series.set(key, entry);
      }
      return entry;
    };
    const record = (entry: { counts: number[]; sum: number }, value: number, times = 1) => {
      let index = 0;
      while (index < buckets.length && value > buckets[index]!) index++;
      entry.counts[index]! += times;
      entry.sum += value * times;
    };
    return {
      observe: (value, labels = {}) => record(seriesOf(labels), value),
      bind(labels) {
        const entry = seriesOf(labels);
        return { observe: (value, times) => record(entry, value, times) };
      },
      remove: (labels) => void series.delete(formatLabels(labels)),
    };
  }

  /** Samples that are computed when metrics are collected. */
  collected(
    name: string,
    help: string,
    collect: () => Iterable<{ labels?: Labels; value: number }>,
    type: 'gauge' | 'counter' = 'gauge',
  ): void {
    this.#register({
      name,
      help,
      type,
      *lines() {
        for (const { labels, value } of collect())
          yield `${name}${formatLabels(labels ?? {})} ${formatNumber(value)}`;
      },
    });
  }

  /** As `text/plain; version=0.0.4`: all families, or those whose names match. */
  expose(matches: (name: string) => boolean = () => true): string {
    const out: string[] = [];
    for (const [, family] of [...this.#families].sort(([left], [right]) => (left < right ? -1 : 1))) {
      if (!matches(family.name)) continue;
      out.push(
        `# HELP ${family.name} ${helpWithStability(family.help, this.#stabilityOf(family.name))}`,
        `# TYPE ${family.name} ${family.type}`,
      );
      // One by one: the number of arguments of a call is limited.
      for (const line of family.lines()) out.push(line);
    }
    return `${out.join('\n')}\n`;
  }

  #valueFamily(name: string, help: string, type: 'counter' | 'gauge'): Counter & Gauge {
    const series = new Map<string, { value: number }>();
    this.#register({
      name,
      help,
      type,
      *lines() {
        for (const [labels, { value }] of series) yield `${name}${labels} ${formatNumber(value)}`;
      },
    });
    const seriesOf = (labels: Labels) => {
      const key = formatLabels(labels);
      let entry = series.get(key);
      if (!entry) {
        entry = { value: 0 };
        series.set(key, entry);
      }
      return entry;
    };
    return {
      add(amount, labels = {}) {
        seriesOf(labels).value += amount;
      },
      bind(labels) {
        const entry = seriesOf(labels);
        return {
          add(amount) {
            entry.value += amount;
          },
        };
      },
      set(value, labels = {}) {
        seriesOf(labels).value = value;
      },
      remove: (labels) => void series.delete(formatLabels(labels)),
    };
  }

  #register(family: Family): void {
    if (this.#families.has(family.name)) throw new Error(`metric ${family.name} is registered twice`);
    this.#families.set(family.name, family);
  }
}

/** Creates a set of metrics once per registry; callers without a registry share one that is never exposed. */
export function metricsPerRegistry<Metrics>(
  create: (registry: MetricsRegistry) => Metrics,
): (registry: MetricsRegistry | undefined) => Metrics {
  const made = new WeakMap<MetricsRegistry, Metrics>();
  const unread = new MetricsRegistry();
  return (registry = unread) => {
    const present = made.get(registry);
    if (present) return present;
    const metrics = create(registry);
    made.set(registry, metrics);
    return metrics;
  };
}

/** As upstream writes it: `[STABLE] Number of …`. */
export function helpWithStability(help: string, stability: string | undefined): string {
  return stability === undefined ? help : `[${stability}] ${help}`;
}

/** Upper bounds of a histogram: `count` of them, each `factor` times the previous one. */
export function exponentialBuckets(first: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first * factor ** index);
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const special = /[\\"\n]/;

/** A label's value as Prometheus' text format takes it between quotation marks. */
export function escapeLabel(value: string): string {
  if (!special.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

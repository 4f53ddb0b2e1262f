/** Reads the metrics of pods that are annotated `prometheus.io/scrape`, but only while there is demand. */
import { Pod } from '../../api/resources.gen.ts';
import type { ParsedLabelSelector } from '../../api/selectors/selectors.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type ExposedMetric, parsePrometheusText } from './prometheus-text.ts';
import { freshForMs, ScrapeLoop } from './scrape-loop.ts';

/** Where a pod exposes its metrics, by its annotations. */
export interface ScrapeTarget {
  scheme: 'http' | 'https';
  port: number;
  path: string;
}

/** Returns the text of a pod's answer. */
export type ReadPodMetrics = (pod: Pod, target: ScrapeTarget, signal: AbortSignal) => Promise<string>;

export interface PodScraperOptions {
  objects: ObjectReader;
  readMetrics: ReadPodMetrics;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

interface Exposition {
  atMs: number;
  /** On the clock that never jumps. */
  readMs: number;
  metrics: Map<string, ExposedMetric>;
}

interface PodHistory {
  before: Exposition | undefined;
  now: Exposition;
}

export interface MetricValue {
  value: number;
  atMs: number;
  windowMs: number | undefined;
}

const scrapeTimeoutMs = 5_000;
/** Counters have this suffix by convention; their rate is available without it as well. */
const counterSuffix = '_total';

export class PodScraper {
  readonly #options: PodScraperOptions;
  /** By uid. */
  readonly #pods = new Map<string, PodHistory>();
  readonly #loop: ScrapeLoop;

  constructor(options: PodScraperOptions) {
    this.#options = options;
    this.#loop = new ScrapeLoop({
      clock: options.clock,
      signal: options.signal,
      scrape: () => this.#scrapeAll(),
      forget: () => this.#pods.clear(),
    });
  }

  /** A pod's value, of the series that match: for a counter its rate per second, otherwise the value itself. */
  async valueOf(pod: Pod, metric: string, series: ParsedLabelSelector): Promise<MetricValue | undefined> {
    await this.#loop.ready();
    const history = this.#pods.get(pod.metadata.uid);
    if (!history || this.#options.clock.monotonic() - history.now.readMs > freshForMs) return undefined;
    for (const name of [metric, `${metric}${counterSuffix}`]) {
      const value = valueIn(history, name, series);
      if (value) return value;
    }
    return undefined;
  }

  /** Names that pods expose now, sorted; empty until a value is requested. */
  names(): string[] {
    const names = new Set<string>();
    for (const { now } of this.#pods.values())
      for (const name of now.metrics.keys())
        names.add(name.endsWith(counterSuffix) ? name.slice(0, -counterSuffix.length) : name);
    return [...names].sort();
  }

  async #scrapeAll(): Promise<void> {
    const { objects, readMetrics, clock, logger, signal } = this.#options;
    const seen = new Set<string>();
    const reads: Promise<void>[] = [];
    for (const pod of objects.list(Pod)) {
      const target = scrapeTarget(pod);
      if (!target) continue;
      const { uid, name, namespace } = pod.metadata;
      seen.add(uid);
      const timeout = AbortSignal.any([signal, AbortSignal.timeout(scrapeTimeoutMs)]);
      reads.push(
        readMetrics(pod, target, timeout)
          .then((text) => {
            const metrics = parsePrometheusText(text);
            const now = { atMs: clock.now(), readMs: clock.monotonic(), metrics };
            this.#pods.set(uid, { before: this.#pods.get(uid)?.now, now });
          })
          // Also of an answer that makes no sense: it comes from outside.
          .catch((error: unknown) => logger.debug('a pod gives no metrics', { namespace, name, error })),
      );
    }
    await Promise.all(reads);
    for (const uid of this.#pods.keys()) if (!seen.has(uid)) this.#pods.delete(uid);
  }
}

/** Undefined: it is not to be scraped, or cannot be now. */
function scrapeTarget({ metadata, spec, status }: Pod): ScrapeTarget | undefined {
  const { annotations } = metadata;
  if (annotations?.['prometheus.io/scrape'] !== 'true' || status?.phase !== 'Running' || !status.podIP)
    return undefined;
  const firstPort = spec?.containers.flatMap(({ ports }) => ports ?? [])[0]?.containerPort;
  const port = Number(annotations['prometheus.io/port'] ?? firstPort ?? 80);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const path = annotations['prometheus.io/path'] ?? '/metrics';
  return {
    // As with the usual relabelling of Prometheus, which takes no other word for a scheme.
    scheme: annotations['prometheus.io/scheme'] === 'https' ? 'https' : 'http',
    port,
    path: path.startsWith('/') ? path : `/${path}`,
  };
}

function valueIn(
  { before, now }: PodHistory,
  name: string,
  selector: ParsedLabelSelector,
): MetricValue | undefined {
  const metric = now.metrics.get(name);
  const series = [...(metric?.series ?? [])].filter(([, { labels }]) => selector.matches(labels));
  if (!metric || series.length === 0) return undefined;
  const sumOf = (amountOf: (key: string, value: number) => number) =>
    series.reduce((sum, [key, { value }]) => sum + amountOf(key, value), 0);
  if (!metric.isCounter) return { value: sumOf((_key, value) => value), atMs: now.atMs, windowMs: undefined };
  const earlier = before?.metrics.get(name)?.series;
  const windowMs = before ? now.readMs - before.readMs : 0;
  if (!earlier || windowMs <= 0) return undefined;
  const grown = sumOf((key, value) => {
    const from = earlier.get(key)?.value ?? 0;
    // A counter that decreased has been reset.
    return value >= from ? value - from : value;
  });
  return { value: grown / (windowMs / 1000), atMs: now.atMs, windowMs };
}

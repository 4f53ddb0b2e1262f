/** Reads the metrics of pods that are annotated `prometheus.io/scrape`, but only while there is demand. */
import { Pod } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ObjectReader } from '../object-reader.ts';
import { type ExposedMetric, parsePrometheusText } from './prometheus-text.ts';
import { ScrapeLoop } from './scrape-loop.ts';

/** Returns the text of a pod's answer. */
export type ReadPodMetrics = (pod: Pod, port: number, path: string, signal: AbortSignal) => Promise<string>;

export interface PodScraperOptions {
  objects: ObjectReader;
  readMetrics: ReadPodMetrics;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

interface Exposition {
  atMs: number;
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

  /** A pod's value: for a counter its rate per second, otherwise the value itself. */
  async valueOf(pod: Pod, metric: string): Promise<MetricValue | undefined> {
    await this.#loop.ready();
    const history = this.#pods.get(pod.metadata.uid);
    if (!history) return undefined;
    for (const name of [metric, `${metric}${counterSuffix}`]) {
      const value = valueIn(history, name);
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
        readMetrics(pod, target.port, target.path, timeout)
          .then((text) => {
            const now = { atMs: clock.now(), metrics: parsePrometheusText(text) };
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

/** Where a pod is to be scraped; undefined: it is not, or cannot be now. */
function scrapeTarget({ metadata, spec, status }: Pod): { port: number; path: string } | undefined {
  const { annotations } = metadata;
  if (annotations?.['prometheus.io/scrape'] !== 'true' || status?.phase !== 'Running' || !status.podIP)
    return undefined;
  const firstPort = spec?.containers.flatMap(({ ports }) => ports ?? [])[0]?.containerPort;
  const port = Number(annotations['prometheus.io/port'] ?? firstPort ?? 80);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { port, path: annotations['prometheus.io/path'] ?? '/metrics' };
}

function valueIn({ before, now }: PodHistory, name: string): MetricValue | undefined {
  const metric = now.metrics.get(name);
  if (!metric) return undefined;
  if (!metric.isCounter) return { value: metric.value, atMs: now.atMs, windowMs: undefined };
  const earlier = before?.metrics.get(name);
  const windowMs = before ? now.atMs - before.atMs : 0;
  if (!earlier || windowMs <= 0) return undefined;
  // A counter that decreased has been reset.
  const grown = metric.value >= earlier.value ? metric.value - earlier.value : metric.value;
  return { value: grown / (windowMs / 1000), atMs: now.atMs, windowMs };
}

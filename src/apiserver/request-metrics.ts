/** `/metrics` of the API server under upstream's names: requests, latency, watches, storage. */
import type { Clock } from '../base/clock.ts';
import type { BoundHistogram, Counter, Histogram, MetricsRegistry } from '../base/metrics.ts';
import type { RequestHandler } from './handler.ts';
import type { Registry } from './registry/registry.ts';
import type { RequestContext } from './request.ts';

const durationBuckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/** Different kinds of requests that are counted apart; paths are not among the labels, so there are few. */
const seriesMax = 10_000;

interface Series {
  duration: BoundHistogram;
  size: BoundHistogram;
  /** Requests by status code. */
  total: Map<number, { count: number; labels: Record<string, string> }>;
}

export class RequestMetrics {
  readonly #clock: Clock;
  readonly #series = new Map<string, Series>();
  readonly #duration: Histogram;
  readonly #size: Histogram;
  readonly #terminations: Counter;

  constructor(metrics: MetricsRegistry, clock: Clock, registry: Registry) {
    this.#clock = clock;
    this.#duration = metrics.histogram(
      'apiserver_request_duration_seconds',
      'Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.',
      durationBuckets,
    );
    this.#size = metrics.histogram(
      'apiserver_response_sizes',
      'Response size distribution in bytes for each group, version, verb, resource, subresource and scope.',
      sizeBuckets,
    );
    this.#terminations = metrics.counter(
      'apiserver_terminated_watchers_total',
      'Watchers that were cut off because they did not keep up.',
    );
    metrics.collected(
      'apiserver_request_total',
      'Requests by verb, group, version, resource, subresource, scope and status code.',
      () => this.#totals(),
      'counter',
    );
    metrics.collected('apiserver_longrunning_requests', 'Watches that are open now.', () => [
      { labels: { verb: 'WATCH' }, value: registry.sessions.open },
    ]);
    metrics.collected('apiserver_storage_objects', 'Stored objects by resource.', () =>
      [...registry.kinds.all()]
        .filter(({ served, cache }) => !served && cache)
        .map(({ group, plural, cache }) => ({
          labels: { resource: group ? `${plural}.${group}` : plural },
          value: cache!.size,
        })),
    );
    metrics.collected('process_resident_memory_bytes', 'Memory that the process holds.', () => [
      { value: process.memoryUsage.rss() },
    ]);
    metrics.collected(
      'process_cpu_seconds_total',
      'CPU time that the process has used.',
      () => {
        const { user, system } = process.cpuUsage();
        return [{ value: (user + system) / 1e6 }];
      },
      'counter',
    );
  }

  /** Call the result with what became of the request. */
  begin({ info }: RequestContext): (status: number, sizeBytes: number) => void {
    const startMs = this.#clock.monotonic();
    return (status, sizeBytes) => {
      const series = this.#seriesOf(info);
      if (!series) return;
      if (info.verb !== 'watch') series.duration.observe((this.#clock.monotonic() - startMs) / 1000);
      series.size.observe(sizeBytes);
      const counted = series.total.get(status);
      if (counted) counted.count++;
      else series.total.set(status, { count: 1, labels: { ...labelsOf(info), code: String(status) } });
    };
  }

  watcherCutOff({ info }: RequestContext): void {
    this.#terminations.add(1, { resource: info.resource });
  }

  #seriesOf(info: RequestContext['info']): Series | undefined {
    const key = `${info.verb} ${info.group} ${info.version} ${info.resource} ${info.subresource} ${scopeOf(info)}`;
    let series = this.#series.get(key);
    if (!series && this.#series.size < seriesMax) {
      const labels = labelsOf(info);
      series = { duration: this.#duration.bind(labels), size: this.#size.bind(labels), total: new Map() };
      this.#series.set(key, series);
    }
    return series;
  }

  *#totals(): Generator<{ labels: Record<string, string>; value: number }> {
    for (const { total } of this.#series.values())
      for (const { count, labels } of total.values()) yield { labels, value: count };
  }
}

function scopeOf({ name, namespace, isResource }: RequestContext['info']): string {
  if (!isResource) return '';
  return name ? 'resource' : namespace ? 'namespace' : 'cluster';
}

function labelsOf(info: RequestContext['info']): Record<string, string> {
  const { verb, group, version, resource, subresource } = info;
  return { verb: verb.toUpperCase(), group, version, resource, subresource, scope: scopeOf(info) };
}

export function registerMetrics(handler: RequestHandler, metrics: MetricsRegistry): void {
  handler.addPath('/metrics', () => ({
    type: 'raw',
    status: 200,
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    body: metrics.expose(),
  }));
}

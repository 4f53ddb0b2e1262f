/** `/metrics` of the API server under upstream's names: requests, their latency, watches. */
import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram, Counter, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import { isLongRunning } from '../http/deadline.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';
import type { RequestContext } from '../request.ts';
import { type RequestLabels, requestLabels } from './request-labels.ts';

const durationBuckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];
const sliBuckets = durationBuckets.slice(2);
const sizeBuckets = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const eventSizeBuckets = [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];
/** Kinds of requests that are counted apart. */
const seriesMax = 10_000;
/** Among them those that name what the server may not have at all: a client can make up any number. */
const madeUpMax = 1_000;
/** Answers by which the server ends a request before its time. */
const terminations = new Set([429, 504]);

/** Requests that are alike. */
interface Series {
  labels: RequestLabels;
  duration: BoundHistogram;
  sli: BoundHistogram;
  size: BoundHistogram;
  /** By status code. */
  total: Map<number, number>;
  /** Under way, of those that last by nature. */
  open: number;
  deprecatedUntil: string | undefined;
}

/** Watch events of one resource. */
interface EventSeries {
  labels: { group: string; version: string; resource: string };
  count: number;
  sizes: BoundHistogram;
}

export class RequestMetrics {
  readonly #clock: Clock;
  readonly #kinds: KindRegistry;
  readonly #series = new Map<string, Series>();
  #madeUp = 0;
  /** By apiVersion and plural: a definition that changes is served by another value, under the same labels. */
  readonly #events = new Map<string, EventSeries>();
  readonly #duration: Histogram;
  readonly #sli: Histogram;
  readonly #size: Histogram;
  readonly #eventSizes: Histogram;
  readonly #cutOff: Counter;
  readonly #aborts: Counter;
  #handshakeErrors = 0;

  constructor(metrics: MetricsRegistry, clock: Clock, kinds: KindRegistry) {
    this.#clock = clock;
    this.#kinds = kinds;
    this.#duration = metrics.histogram(
      'apiserver_request_duration_seconds',
      'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
      durationBuckets,
    );
    this.#sli = metrics.histogram(
      'apiserver_request_sli_duration_seconds',
      'Response latency distribution in seconds, without the time that webhooks took and that the request waited for its turn.',
      sliBuckets,
    );
    this.#size = metrics.histogram(
      'apiserver_response_sizes',
      'Response size distribution in bytes for each group, version, verb, resource, subresource, scope and component.',
      sizeBuckets,
    );
    this.#eventSizes = metrics.histogram(
      'apiserver_watch_events_sizes',
      'Watch event size distribution in bytes.',
      eventSizeBuckets,
    );
    this.#cutOff = metrics.counter(
      'apiserver_terminated_watchers_total',
      'Watchers that were cut off because they did not keep up.',
    );
    this.#aborts = metrics.counter(
      'apiserver_request_aborts_total',
      'Requests whose answers the server broke off, for each verb, group, version, resource, subresource and scope.',
    );
    metrics.collected(
      'apiserver_tls_handshake_errors_total',
      'Connections that ended in their TLS handshake.',
      () => [{ value: this.#handshakeErrors }],
      'counter',
    );
    this.#collect(metrics);
  }

  #collect(metrics: MetricsRegistry): void {
    metrics.collected(
      'apiserver_request_total',
      'Requests by verb, dry run value, group, version, resource, subresource, scope, component and status code.',
      () => this.#byCode(() => true),
      'counter',
    );
    metrics.collected(
      'apiserver_request_terminations_total',
      'Requests that the server ended in self-defence.',
      () => this.#byCode((code) => terminations.has(code)),
      'counter',
    );
    metrics.collected(
      'apiserver_longrunning_requests',
      'Requests that are open now and last by nature.',
      () =>
        this.#collectSeries(({ open, labels: { dry_run: _, ...labels } }) =>
          open > 0 ? { labels, value: open } : undefined,
        ),
    );
    metrics.collected('apiserver_requested_deprecated_apis', 'Deprecated APIs that were asked for.', () =>
      this.#collectSeries(({ deprecatedUntil, labels: { group, version, resource, subresource } }) =>
        deprecatedUntil === undefined
          ? undefined
          : { labels: { group, version, resource, subresource, removed_release: deprecatedUntil }, value: 1 },
      ),
    );
    metrics.collected(
      'apiserver_watch_events_total',
      'Events sent to watchers.',
      () => [...this.#events.values()].map(({ labels, count }) => ({ labels, value: count })),
      'counter',
    );
  }

  /** Call the result with what became of the request. */
  begin(context: RequestContext): (status: number, sizeBytes: number) => void {
    const startMs = this.#clock.monotonic();
    const series = this.#seriesOf(context);
    const lasts = isLongRunning(context);
    if (series && lasts) series.open++;
    return (status, sizeBytes) => {
      if (!series) return;
      series.total.set(status, (series.total.get(status) ?? 0) + 1);
      series.size.observe(sizeBytes);
      if (lasts) series.open--;
      if (context.info.verb === 'watch') return;
      const tookMs = this.#clock.monotonic() - startMs;
      series.duration.observe(tookMs / 1000);
      series.sli.observe((tookMs - context.waited.ms) / 1000);
    };
  }

  /** Some events of one watch, `sizeBytes` together. */
  eventsSent(resource: ServedResource, count: number, sizeBytes: number): void {
    const { group, version, plural, apiVersion } = resource;
    const key = `${apiVersion}/${plural}`;
    let series = this.#events.get(key);
    if (!series) {
      const labels = { group, version, resource: plural };
      series = { labels, count: 0, sizes: this.#eventSizes.bind(labels) };
      this.#events.set(key, series);
    }
    series.count += count;
    series.sizes.observe(sizeBytes / count, count);
  }

  /** A connection failed before a request came. */
  handshakeFailed(): void {
    this.#handshakeErrors++;
  }

  /** The answer had begun, and could not be continued. */
  aborted(context: RequestContext): void {
    const series = this.#seriesOf(context);
    if (!series) return;
    const { verb, group, version, resource, subresource, scope } = series.labels;
    this.#aborts.add(1, { verb, group, version, resource, subresource, scope });
  }

  watcherCutOff({ info }: RequestContext): void {
    this.#cutOff.add(1, { resource: info.resource });
  }

  #seriesOf(context: RequestContext): Series | undefined {
    const labels = requestLabels(context);
    const { verb, dry_run, group, version, resource, subresource, scope } = labels;
    const key = `${verb} ${dry_run} ${group} ${version} ${resource} ${subresource} ${scope}`;
    let series = this.#series.get(key);
    if (!series && this.#hasRoomFor(labels)) {
      const { dry_run: _, ...lasting } = labels;
      const deprecation = this.#kinds.find(group, version, resource)?.served?.deprecation;
      series = {
        labels,
        duration: this.#duration.bind({ ...labels }),
        sli: this.#sli.bind(lasting),
        size: this.#size.bind(lasting),
        total: new Map(),
        open: 0,
        deprecatedUntil: deprecation && (deprecation.removedIn ?? ''),
      };
      this.#series.set(key, series);
    }
    return series;
  }

  #hasRoomFor({ group, version, resource, subresource }: RequestLabels): boolean {
    if (this.#series.size >= seriesMax) return false;
    if (subresource === '' && this.#kinds.find(group, version, resource)) return true;
    this.#madeUp++;
    return this.#madeUp <= madeUpMax;
  }

  *#byCode(
    isWanted: (code: number) => boolean,
  ): Generator<{ labels: Record<string, string>; value: number }> {
    for (const { total, labels } of this.#series.values())
      for (const [code, value] of total)
        if (isWanted(code)) yield { labels: { ...labels, code: String(code) }, value };
  }

  *#collectSeries<T>(sample: (series: Series) => T | undefined): Generator<T> {
    for (const series of this.#series.values()) {
      const found = sample(series);
      if (found !== undefined) yield found;
    }
  }
}

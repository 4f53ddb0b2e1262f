/** What is counted of priority and fairness, under upstream's names. */
import type { BoundHistogram, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import type { PriorityLevel, Refusal } from './priority-level.ts';

const waitBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const executionBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60];
const prefix = 'apiserver_flowcontrol';

/** Of the requests of one schema in one level. */
export class FlowSeries {
  readonly labels: { flow_schema: string; priority_level: string };
  dispatched = 0;
  readonly rejected = new Map<Refusal, number>();
  executing = 0;
  /** That those at work hold. */
  seats = 0;
  waiting = 0;
  readonly waited: BoundHistogram;
  readonly refusedAfter: BoundHistogram;
  readonly executed: BoundHistogram;
  readonly watchesBegun: BoundHistogram;

  constructor(
    labels: FlowSeries['labels'],
    { waited, executed }: { waited: Histogram; executed: Histogram },
  ) {
    this.labels = labels;
    this.waited = waited.bind({ execute: 'true', ...labels });
    this.refusedAfter = waited.bind({ execute: 'false', ...labels });
    this.executed = executed.bind({ ...labels, type: 'regular' });
    this.watchesBegun = executed.bind({ ...labels, type: 'watch' });
  }

  async whileWaiting(wait: Promise<void>): Promise<void> {
    this.waiting++;
    try {
      await wait;
    } finally {
      this.waiting--;
    }
  }
}

export class FlowMetrics {
  readonly inflight = { mutating: 0, readOnly: 0 };
  readonly #waited: Histogram;
  readonly #executed: Histogram;
  readonly #series = new Map<string, FlowSeries>();

  constructor(metrics: MetricsRegistry, levels: () => readonly PriorityLevel[]) {
    this.#waited = metrics.histogram(
      `${prefix}_request_wait_duration_seconds`,
      'Time that requests waited in queues.',
      waitBuckets,
    );
    this.#executed = metrics.histogram(
      `${prefix}_request_execution_seconds`,
      'Time from the start to the end of the work on requests.',
      executionBuckets,
    );
    metrics.collected(
      `${prefix}_dispatched_requests_total`,
      'Requests that were let through.',
      () => [...this.#series.values()].map(({ labels, dispatched }) => ({ labels, value: dispatched })),
      'counter',
    );
    metrics.collected(
      `${prefix}_rejected_requests_total`,
      'Requests that were refused, and why.',
      () => this.#rejections(),
      'counter',
    );
    this.#collectLevels(metrics, levels);
  }

  of(schema: string, level: string): FlowSeries {
    const key = `${schema} ${level}`;
    let series = this.#series.get(key);
    if (!series) {
      const histograms = { waited: this.#waited, executed: this.#executed };
      series = new FlowSeries({ flow_schema: schema, priority_level: level }, histograms);
      this.#series.set(key, series);
    }
    return series;
  }

  /** Of all schemas that lead to the level. */
  totalsOf(level: string): { dispatched: number; rejected: Record<Refusal, number> } {
    const rejected = { 'concurrency-limit': 0, 'queue-full': 0, 'time-out': 0, cancelled: 0 };
    let dispatched = 0;
    for (const series of this.#series.values()) {
      if (series.labels.priority_level !== level) continue;
      dispatched += series.dispatched;
      for (const [reason, count] of series.rejected) rejected[reason] += count;
    }
    return { dispatched, rejected };
  }

  *#rejections() {
    for (const { labels, rejected } of this.#series.values())
      for (const [reason, value] of rejected) yield { labels: { ...labels, reason }, value };
  }

  #collectLevels(metrics: MetricsRegistry, levels: () => readonly PriorityLevel[]): void {
    const byLevel = (name: string, help: string, of: (level: PriorityLevel) => number) =>
      metrics.collected(`${prefix}_${name}`, help, () =>
        levels().map((level) => ({ labels: { priority_level: level.name }, value: of(level) })),
      );
    const bySeries = (name: string, help: string, of: (series: FlowSeries) => number) =>
      metrics.collected(`${prefix}_${name}`, help, () =>
        [...this.#series.values()].map((series) => ({ labels: series.labels, value: of(series) })),
      );
    bySeries('current_executing_requests', 'Requests at work.', (series) => series.executing);
    bySeries('current_executing_seats', 'Seats that are taken.', (series) => series.seats);
    bySeries('current_inqueue_requests', 'Requests that wait in queues.', (series) => series.waiting);
    byLevel('nominal_limit_seats', "The level's own part of the seats.", ({ limits }) => limits.nominal);
    byLevel('lower_limit_seats', 'Seats that are never lent.', ({ limits }) => limits.lower);
    byLevel('upper_limit_seats', 'Seats with all that may be borrowed.', ({ limits }) => limits.upper);
    metrics.collected('apiserver_current_inflight_requests', 'Requests at work, by kind.', () =>
      Object.entries(this.inflight).map(([kind, value]) => ({ labels: { request_kind: kind }, value })),
    );
    metrics.collected('apiserver_current_inqueue_requests', 'Requests that wait for their turn.', () => [
      {
        labels: { request_kind: 'all' },
        value: levels().reduce((sum, { waitingCount }) => sum + waitingCount, 0),
      },
    ]);
  }
}

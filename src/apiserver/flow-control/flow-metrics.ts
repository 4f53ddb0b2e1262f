/** What is counted of priority and fairness, under upstream's names. */
import type { BoundHistogram, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import type { PriorityLevel, Refusal } from './priority-level.ts';

const waitBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const executionBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60];
const prefix = 'apiserver_flowcontrol';

/** Of the requests of one schema in one level. */
export interface FlowSeries {
  labels: { flow_schema: string; priority_level: string };
  dispatched: number;
  rejected: Map<Refusal, number>;
  waited: BoundHistogram;
  refusedAfter: BoundHistogram;
  executed: BoundHistogram;
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
      const labels = { flow_schema: schema, priority_level: level };
      series = {
        labels,
        dispatched: 0,
        rejected: new Map(),
        waited: this.#waited.bind({ execute: 'true', ...labels }),
        refusedAfter: this.#waited.bind({ execute: 'false', ...labels }),
        executed: this.#executed.bind(labels),
      };
      this.#series.set(key, series);
    }
    return series;
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
    byLevel('current_executing_requests', 'Requests at work.', (level) => level.executing);
    byLevel('current_executing_seats', 'Seats that are taken.', (level) => level.taken);
    byLevel('current_inqueue_requests', 'Requests that wait in queues.', (level) => level.waitingCount);
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

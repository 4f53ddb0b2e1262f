/** What is counted of priority and fairness, under upstream's names. */
import type { BoundHistogram, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import type { RequestInfo } from '../request.ts';
import { fairFraction } from './fair-share.ts';
import type { Admission, PriorityLevel, Refusal } from './priority-level.ts';

const durationBuckets = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const seatsBuckets = [1, 2, 4, 8, 16, 32, 64, 100];
const demandBuckets = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];
const watcherBuckets = [0, 1, 10, 100, 1_000, 10_000];
const prefix = 'apiserver_flowcontrol';
const readVerbs = new Set(['get', 'list', 'watch']);

/** As metrics of requests by kind call it. */
export function requestKindOf({ verb }: Pick<RequestInfo, 'verb'>): 'mutating' | 'readOnly' {
  return readVerbs.has(verb) ? 'readOnly' : 'mutating';
}

/** Of the requests of one schema in one level. */
export class FlowSeries {
  readonly labels: { flow_schema: string; priority_level: string };
  dispatched = 0;
  readonly rejected = new Map<Refusal, number>();
  executing = 0;
  /** That those at work hold. */
  seats = 0;
  waiting = 0;
  /** That those who wait ask for. */
  waitingSeats = 0;
  readonly estimated: BoundHistogram;
  readonly waited: BoundHistogram;
  readonly refusedAfter: BoundHistogram;
  readonly executed: BoundHistogram;
  readonly watchesBegun: BoundHistogram;
  /** Of each write. */
  readonly watchers: BoundHistogram;

  constructor(
    labels: FlowSeries['labels'],
    {
      waited,
      executed,
      estimated,
      watchers,
    }: Record<'waited' | 'executed' | 'estimated' | 'watchers', Histogram>,
  ) {
    this.labels = labels;
    this.estimated = estimated.bind(labels);
    this.watchers = watchers.bind(labels);
    this.waited = waited.bind({ execute: 'true', ...labels });
    this.refusedAfter = waited.bind({ execute: 'false', ...labels });
    this.executed = executed.bind({ ...labels, type: 'regular' });
    this.watchesBegun = executed.bind({ ...labels, type: 'watch' });
  }
}

export class FlowMetrics {
  readonly inflight = { mutating: 0, readOnly: 0 };
  readonly #inqueue = { mutating: 0, readOnly: 0 };
  readonly #waited: Histogram;
  readonly #executed: Histogram;
  readonly #estimated: Histogram;
  readonly #demand: Histogram;
  readonly #watchers: Histogram;
  readonly #series = new Map<string, FlowSeries>();

  constructor(metrics: MetricsRegistry, levels: () => readonly PriorityLevel[]) {
    this.#waited = metrics.histogram(
      `${prefix}_request_wait_duration_seconds`,
      'Time that requests waited in queues.',
      durationBuckets,
    );
    this.#executed = metrics.histogram(
      `${prefix}_request_execution_seconds`,
      'Time from the start to the end of the work on requests.',
      durationBuckets,
    );
    this.#watchers = metrics.histogram(
      `${prefix}_watch_count_samples`,
      'Watchers that see what a write changes.',
      watcherBuckets,
    );
    this.#demand = metrics.histogram(
      `${prefix}_demand_seats`,
      'Of each nanosecond, the seats that a level could use, as a part of its nominal ones.',
      demandBuckets,
    );
    this.#estimated = metrics.histogram(
      `${prefix}_work_estimated_seats`,
      'Seats that requests take.',
      seatsBuckets,
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

  /** Takes the demand of a level. */
  demandOf(level: string): BoundHistogram {
    return this.#demand.bind({ priority_level: level });
  }

  /** It is gone. */
  forgetLevel(level: string): void {
    this.#demand.remove({ priority_level: level });
  }

  of(schema: string, level: string): FlowSeries {
    const key = `${schema} ${level}`;
    let series = this.#series.get(key);
    if (!series) {
      const histograms = {
        waited: this.#waited,
        executed: this.#executed,
        estimated: this.#estimated,
        watchers: this.#watchers,
      };
      series = new FlowSeries({ flow_schema: schema, priority_level: level }, histograms);
      this.#series.set(key, series);
    }
    return series;
  }

  async whileWaiting(wait: Promise<void>, series: FlowSeries, { seats, info }: Admission): Promise<void> {
    const kind = requestKindOf(info);
    const count = (sign: 1 | -1) => {
      series.waiting += sign;
      series.waitingSeats += sign * seats;
      this.#inqueue[kind] += sign;
    };
    count(1);
    try {
      await wait;
    } finally {
      count(-1);
    }
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
    bySeries(
      'current_inqueue_seats',
      'Seats that requests in queues wait for.',
      (series) => series.waitingSeats,
    );
    byLevel('nominal_limit_seats', "The level's own part of the seats.", ({ limits }) => limits.nominal);
    byLevel('lower_limit_seats', 'Seats that are never lent.', ({ limits }) => limits.lower);
    byLevel('upper_limit_seats', 'Seats with all that may be borrowed.', ({ limits }) => limits.upper);
    byLevel('current_limit_seats', 'Seats that the level may have now.', (level) => level.currentLimit);
    const inPeriod = 'in the last period of ten seconds';
    byLevel(
      'demand_seats_high_watermark',
      `The most seats that the level could use ${inPeriod}.`,
      ({ demand }) => demand.figures.highWatermark,
    );
    byLevel(
      'demand_seats_average',
      `Seats that the level could use ${inPeriod}, on average over time.`,
      ({ demand }) => demand.figures.average,
    );
    byLevel(
      'demand_seats_stdev',
      `The standard deviation over time of the seats that the level could use ${inPeriod}.`,
      ({ demand }) => demand.figures.deviation,
    );
    byLevel(
      'demand_seats_smoothed',
      'Seats that the level could use, which falls slowly.',
      ({ demand }) => demand.figures.smoothed,
    );
    byLevel('target_seats', 'Seats that the level should have.', targetOf);
    metrics.collected(
      `${prefix}_seat_fair_frac`,
      'The part of what they should have that all levels could be given alike.',
      () => [{ value: fairPartOf(levels()) }],
    );
    const byKind = (name: string, help: string, counts: Readonly<Record<string, number>>) =>
      metrics.collected(name, help, () =>
        Object.entries(counts).map(([kind, value]) => ({ labels: { request_kind: kind }, value })),
      );
    byKind('apiserver_current_inflight_requests', 'Requests at work, by kind.', this.inflight);
    byKind(
      'apiserver_current_inqueue_requests',
      'Requests that wait for their turn, by kind.',
      this.#inqueue,
    );
  }
}

/** As upstream computes it: as many as it could use, at least those that it does not lend to others who need them. */
function targetOf(level: PriorityLevel): number {
  return Math.max(leastOf(level), level.demand.figures.smoothed);
}

/** What it has of its own, where it could use that, and does not lend. */
function leastOf({ limits, demand, isExempt }: PriorityLevel): number {
  const { highWatermark } = demand.figures;
  return Math.max(limits.lower, isExempt ? highWatermark : Math.min(limits.nominal, highWatermark));
}

/** Levels that are held back share the nominal seats of all; 0 when too few are left for what is their own. */
function fairPartOf(levels: readonly PriorityLevel[]): number {
  const sum = (some: readonly PriorityLevel[], of: (level: PriorityLevel) => number) =>
    some.reduce((total, level) => total + of(level), 0);
  const seekers = levels.filter(({ isExempt }) => !isExempt);
  const seats = sum(levels, ({ limits }) => limits.nominal);
  const ofExempt = sum(levels, (level) => (level.isExempt ? leastOf(level) : 0));
  if (seats - ofExempt <= sum(seekers, leastOf)) return 0;
  return fairFraction(
    seekers.map((level) => ({
      target: targetOf(level),
      lower: leastOf(level),
      upper: level.limits.upper,
    })),
    seats,
  );
}

/** What the scheduler counts, under upstream's names. */

import type { Clock } from '../base/clock.ts';
import { exponentialBuckets, type MetricsRegistry } from '../base/metrics.ts';
import type { SchedulerCache } from './cache.ts';
import type { PointTimer } from './framework/point-timer.ts';
import type { SchedulingQueue } from './queue.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

export interface SchedulerMetrics {
  attempt(result: AttemptResult, profile: string, durationMs: number): void;
  /** A pod was placed, this long after it could first be scheduled. */
  bound(attempts: number, durationMs: number): void;
  /** Preemption ran, with this many victims, or none. */
  preempted(victims: number): void;
  /** Times the extension points of a profile. */
  timerOf(profile: string): PointTimer;
}

/** 1 ms, doubled up to about 16 s. */
const durationBuckets = Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index);

/** 10 ms, doubled up to about three hours. */
const sliBuckets = Array.from({ length: 20 }, (_, index) => 0.01 * 2 ** index);
const attemptsShownMax = 15;

/** 0.1 ms, doubled up to about 200 ms. */
const pointBuckets = exponentialBuckets(0.0001, 2, 12);

/** The scheduler whose state is counted; one that becomes leader again replaces its earlier self. */
interface Subject {
  queue: SchedulingQueue;
  cache: SchedulerCache;
  clock: Clock;
}

const registered = new WeakMap<MetricsRegistry, { subject: Subject; metrics: SchedulerMetrics }>();

export function createSchedulerMetrics(registry: MetricsRegistry, { ...subject }: Subject): SchedulerMetrics {
  const known = registered.get(registry);
  if (known) {
    Object.assign(known.subject, subject);
    return known.metrics;
  }
  const metrics = register(registry, subject);
  registered.set(registry, { subject, metrics });
  return metrics;
}

function register(registry: MetricsRegistry, subject: Subject): SchedulerMetrics {
  registerGauges(registry, subject);
  return {
    ...attemptMetrics(registry),
    ...preemptionMetrics(registry),
    timerOf: pointTimers(registry, subject),
  };
}

/** What is read from queue and cache when metrics are scraped. */
function registerGauges(registry: MetricsRegistry, subject: Subject): void {
  registry.collected('scheduler_pending_pods', 'Number of pending pods, by the queue.', () => {
    const { inFlight, ...waiting } = subject.queue.counts();
    return Object.entries(waiting).map(([name, value]) => ({ labels: { queue: name }, value }));
  });
  registry.collected(
    'scheduler_queue_incoming_pods_total',
    'Number of pods added to scheduling queues, by queue and by what brought them there.',
    () => subject.queue.arrivals.samples(),
    'counter',
  );
  registry.collected('scheduler_cache_size', 'Number of nodes and pods in the scheduler cache.', () => [
    { labels: { type: 'nodes' }, value: subject.cache.nodes.length },
    { labels: { type: 'pods' }, value: subject.cache.placedCount },
  ]);
}

function attemptMetrics(registry: MetricsRegistry): Pick<SchedulerMetrics, 'attempt' | 'bound'> {
  const attempts = registry.counter(
    'scheduler_schedule_attempts_total',
    'Number of attempts to schedule pods, by the result.',
  );
  const durations = registry.histogram(
    'scheduler_scheduling_attempt_duration_seconds',
    'Scheduling attempt latency in seconds, without binding.',
    durationBuckets,
  );
  const algorithm = registry.histogram(
    'scheduler_scheduling_algorithm_duration_seconds',
    'Scheduling algorithm latency in seconds.',
    durationBuckets,
  );
  const sli = registry.histogram(
    'scheduler_pod_scheduling_sli_duration_seconds',
    'E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue, by attempts.',
    sliBuckets,
  );
  const attemptsPerPod = registry.histogram(
    'scheduler_pod_scheduling_attempts',
    'Number of attempts to successfully schedule a pod.',
    [1, 2, 4, 8, 16],
  );
  const attemptsOf = boundOnce((result, profile) => attempts.bind({ profile, result }));
  const durationOf = boundOnce((result, profile) => durations.bind({ profile, result }));
  const everyAlgorithm = algorithm.bind({});
  const everyPod = attemptsPerPod.bind({});
  const sliOf = boundOnce((count) => sli.bind({ attempts: count }));
  return {
    attempt(result, profile, durationMs) {
      attemptsOf(result, profile).add(1);
      durationOf(result, profile).observe(durationMs / 1000);
      everyAlgorithm.observe(durationMs / 1000);
    },
    bound(count, durationMs) {
      everyPod.observe(count);
      const shown = count > attemptsShownMax ? `${attemptsShownMax}+` : String(count);
      sliOf(shown).observe(durationMs / 1000);
    },
  };
}

function preemptionMetrics(registry: MetricsRegistry): Pick<SchedulerMetrics, 'preempted'> {
  const preemptions = registry.counter(
    'scheduler_preemption_attempts_total',
    'Total preemption attempts in the cluster till now',
  );
  const victimsPerPod = registry.histogram(
    'scheduler_preemption_victims',
    'Number of selected preemption victims',
    [1, 2, 4, 8, 16, 32, 64],
  );
  return {
    preempted(victims) {
      preemptions.add(1);
      if (victims > 0) victimsPerPod.observe(victims);
    },
  };
}

function pointTimers(registry: MetricsRegistry, subject: Subject): SchedulerMetrics['timerOf'] {
  const points = registry.histogram(
    'scheduler_framework_extension_point_duration_seconds',
    'Time that all plugins of an extension point took together.',
    pointBuckets,
  );
  const pointOf = boundOnce((extension_point, status, profile) =>
    points.bind({ extension_point, profile, status }),
  );
  return (profile) => (point) => {
    const startMs = subject.clock.monotonic();
    return (status) => pointOf(point, status, profile).observe((subject.clock.monotonic() - startMs) / 1000);
  };
}

/** Binds the labels of a series once: every scheduled pod is counted in several. */
function boundOnce<Values extends string[], Series>(
  bind: (...values: Values) => Series,
): (...values: Values) => Series {
  const known = new Map<string, Series>();
  return (...values) => {
    const key = values.join(' ');
    let bound = known.get(key);
    if (!bound) {
      bound = bind(...values);
      known.set(key, bound);
    }
    return bound;
  };
}

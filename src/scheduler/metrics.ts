/** What the scheduler counts, under upstream's names. */

import type { Clock } from '../base/clock.ts';
import { type BoundHistogram, exponentialBuckets, type MetricsRegistry } from '../base/metrics.ts';
import type { SchedulerCache } from './cache.ts';
import type { PointTimer } from './framework/point-timer.ts';
import type { SchedulingQueue } from './queue.ts';

export type AttemptResult = 'scheduled' | 'unschedulable' | 'error';

export interface SchedulerMetrics {
  attempt(result: AttemptResult, profile: string, durationMs: number): void;
  /** A pod has its node, so long after it could first be scheduled. */
  bound(attempts: number, durationMs: number): void;
  /** Room was looked for by sending others away: so many, or none. */
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

/** What is counted now; a scheduler that leads again takes the place of its earlier self. */
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
  const durationsOf = new Map<string, BoundHistogram>();
  const durationOf = (result: string, profile: string): BoundHistogram => {
    const key = `${result} ${profile}`;
    let bound = durationsOf.get(key);
    if (!bound) {
      bound = durations.bind({ profile, result });
      durationsOf.set(key, bound);
    }
    return bound;
  };
  const points = registry.histogram(
    'scheduler_framework_extension_point_duration_seconds',
    'Time that all plugins of an extension point took together.',
    pointBuckets,
  );
  const pointsOf = new Map<string, BoundHistogram>();
  const pointOf = (extension_point: string, status: string, profile: string): BoundHistogram => {
    const key = `${extension_point} ${status} ${profile}`;
    let bound = pointsOf.get(key);
    if (!bound) {
      bound = points.bind({ extension_point, profile, status });
      pointsOf.set(key, bound);
    }
    return bound;
  };
  const everyAlgorithm = algorithm.bind({});
  const everyPod = attemptsPerPod.bind({});
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
    attempt(result, profile, durationMs) {
      attempts.add(1, { profile, result });
      durationOf(result, profile).observe(durationMs / 1000);
      everyAlgorithm.observe(durationMs / 1000);
    },
    bound(count, durationMs) {
      everyPod.observe(count);
      sli.observe(durationMs / 1000, {
        attempts: count > attemptsShownMax ? `${attemptsShownMax}+` : String(count),
      });
    },
    preempted(victims) {
      preemptions.add(1);
      if (victims > 0) victimsPerPod.observe(victims);
    },
    timerOf: (profile) => (point) => {
      const startMs = subject.clock.monotonic();
      return (status) =>
        pointOf(point, status, profile).observe((subject.clock.monotonic() - startMs) / 1000);
    },
  };
}

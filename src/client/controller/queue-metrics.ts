/** The work queues' metrics, under client-go's names. Queues of one name are shown as one: their figures add up. */
import {
  type BoundCounter,
  type BoundHistogram,
  type MetricsRegistry,
  metricsPerRegistry,
} from '../../base/metrics.ts';

export interface QueueState {
  depth: number;
  /** Seconds that each key at work has been so. */
  running: readonly number[];
}

/** Of one queue. */
export interface QueueMetrics {
  adds: BoundCounter;
  retries: BoundCounter;
  queueDuration: BoundHistogram;
  workDuration: BoundHistogram;
  unregister(): void;
}

interface AllQueues {
  /** `state`: reads the state of a queue of this name when metrics are collected. */
  register(name: string, state: () => QueueState): QueueMetrics;
}

/** 10 ns to 10 s. */
const durationBuckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

/** One set for all queues of a registry. */
export const queueMetricsOf = metricsPerRegistry(createQueueMetrics);

function createQueueMetrics(registry: MetricsRegistry): AllQueues {
  const queues = new Map<string, Set<() => QueueState>>();
  const collect = (measure: (state: QueueState) => number) =>
    function* () {
      for (const [name, states] of queues) yield { labels: { name }, value: measure(together(states)) };
    };
  registry.collected(
    'workqueue_depth',
    'Current depth of workqueue',
    collect((state) => state.depth),
  );
  registry.collected(
    'workqueue_unfinished_work_seconds',
    'Seconds of work that is in progress and has not been observed by work_duration',
    collect((state) => state.running.reduce((sum, seconds) => sum + seconds, 0)),
  );
  registry.collected(
    'workqueue_longest_running_processor_seconds',
    'Seconds that the longest running processor has been running',
    collect((state) => Math.max(0, ...state.running)),
  );
  const adds = registry.counter('workqueue_adds_total', 'Total number of adds handled by workqueue');
  const retries = registry.counter('workqueue_retries_total', 'Total number of retries handled by workqueue');
  const queueDuration = registry.histogram(
    'workqueue_queue_duration_seconds',
    'Seconds that an item stays in workqueue before being requested',
    durationBuckets,
  );
  const workDuration = registry.histogram(
    'workqueue_work_duration_seconds',
    'Seconds that processing an item from workqueue takes',
    durationBuckets,
  );
  return {
    register(name, state) {
      const states = queues.get(name) ?? new Set();
      queues.set(name, states.add(state));
      return {
        adds: adds.bind({ name }),
        retries: retries.bind({ name }),
        queueDuration: queueDuration.bind({ name }),
        workDuration: workDuration.bind({ name }),
        unregister() {
          states.delete(state);
          if (states.size === 0 && queues.get(name) === states) queues.delete(name);
        },
      };
    },
  };
}

function together(states: Iterable<() => QueueState>): QueueState {
  const all = [...states].map((state) => state());
  return {
    depth: all.reduce((sum, { depth }) => sum + depth, 0),
    running: all.flatMap(({ running }) => running),
  };
}

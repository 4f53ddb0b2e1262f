/** The kubelet's own metrics, under upstream's names. */
import type { Counter, MetricsRegistry } from '../base/metrics.ts';
import type { PodSet } from './pod/pod-set.ts';

export interface KubeletMetrics {
  podStart(seconds: number): void;
  sync(seconds: number): void;
  probes: Counter;
  watch(pods: PodSet, nodeName: string): void;
}

const syncBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const startBuckets = [0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300];

/** Simulated nodes share one registry: what is registered already is used by all. */
const known = new WeakMap<MetricsRegistry, KubeletMetrics>();

export function kubeletMetrics(registry: MetricsRegistry): KubeletMetrics {
  const found = known.get(registry);
  if (found) return found;
  const sync = registry.histogram(
    'kubelet_pod_worker_duration_seconds',
    'Duration in seconds to sync a single pod.',
    syncBuckets,
  );
  const start = registry.histogram(
    'kubelet_pod_start_duration_seconds',
    'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    startBuckets,
  );
  const sets: PodSet[] = [];
  const nodes = new Set<string>();
  registry.collected('kubelet_node_name', "The node's name. The count is always 1.", () =>
    [...nodes].map((node) => ({ labels: { node }, value: 1 })),
  );
  const total = (count: (set: PodSet) => number) => () => [
    { value: sets.reduce((sum, set) => sum + count(set), 0) },
  ];
  registry.collected(
    'kubelet_running_pods',
    'Number of pods that have a running pod sandbox',
    total((set) => set.runningPods()),
  );
  registry.collected(
    'kubelet_running_containers',
    'Number of currently running containers',
    total((set) => set.runningContainers()),
  );
  const metrics: KubeletMetrics = {
    podStart: (seconds) => start.observe(seconds),
    sync: (seconds) => sync.observe(seconds),
    probes: registry.counter(
      'prober_probe_total',
      'Cumulative number of a liveness, readiness or startup probe for a container by result.',
    ),
    watch(pods, nodeName) {
      sets.push(pods);
      nodes.add(nodeName);
    },
  };
  known.set(registry, metrics);
  return metrics;
}

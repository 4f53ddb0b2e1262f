/** The kubelet's own metrics, under upstream's names. */
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { RuntimeOperations } from '../cri/measured-runtime.ts';
import { type CsiCallObserver, csiMetrics } from '../csi/csi-metrics.ts';
import { type DeviceMetrics, deviceMetrics } from '../devices/device-metrics.ts';
import { type ClaimMetrics, claimMetrics } from '../dynamic-resources/claim-metrics.ts';
import { type ImageMetrics, imageMetrics } from '../images/image-metrics.ts';
import type { PodSet } from '../pod/pod-set.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
import type { StartTimes } from '../pod/status/pod-start-latency.ts';
import { type ProbeMetrics, probeMetrics } from '../probes/probe-metrics.ts';
import { type StorageMetrics, storageMetrics } from '../volumes/storage-metrics.ts';
import type { ObserveCgroups } from './measured-cgroups.ts';
import { defaultBuckets, type PodCounts, podCounts } from './pod-metrics.ts';

export interface KubeletMetrics {
  podStart(seconds: number): void;
  /** All of its containers run, and the API shows that. */
  podRuns(took: StartTimes): void;
  /** `operation`: the purpose of the sync, in upstream's words. */
  sync(operation: string, seconds: number): void;
  /**
   * The runtime was listed; `sinceLastSeconds`: since the listing before, absent for the first; `nowMs`: since the
   * epoch.
   */
  relist(took: { seconds: number; sinceLastSeconds: number | undefined; nowMs: number }): void;
  /** A sandbox was found whose pod is not wanted. */
  orphanFound(): void;
  /** In one round: pods whose volumes went after them, and those whose volumes could not. */
  orphanVolumes(cleaned: number, failed: number): void;
  readonly operations: RuntimeOperations;
  probes: ProbeMetrics;
  counts: PodCounts;
  cgroups: ObserveCgroups;
  storage: StorageMetrics;
  claims: ClaimMetrics;
  images: ImageMetrics;
  devices: DeviceMetrics;
  csiCalled: CsiCallObserver;
  watch(pods: PodSet, nodeName: string): void;
  /** Of the machine's control groups. */
  cgroupVersion(version: 1 | 2): void;
}

/** Of upstream's requests to the runtime. */
const operationBuckets = Array.from({ length: 14 }, (_, index) => 0.005 * 2.5 ** index);
const startBuckets = [
  ...[
    0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700,
    3600,
  ],
];

/** Simulated nodes share one registry: metrics that are already registered serve all of them. */
const known = new WeakMap<MetricsRegistry, KubeletMetrics>();

export function kubeletMetrics(registry: MetricsRegistry): KubeletMetrics {
  const found = known.get(registry);
  if (found) return found;
  const sync = registry.histogram(
    'kubelet_pod_worker_duration_seconds',
    'Duration in seconds to sync a single pod.',
    defaultBuckets,
  );
  const cgroupSeconds = registry.histogram(
    'kubelet_cgroup_manager_duration_seconds',
    'Duration in seconds for cgroup manager operations. Broken down by method.',
    defaultBuckets,
  );
  const cgroupVersion = registry.gauge('kubelet_cgroup_version', 'cgroup version on the hosts.');
  const sets: PodSet[] = [];
  const nodes = new Set<string>();
  showPods(registry, sets, nodes);
  const metrics: KubeletMetrics = {
    ...startMetrics(registry),
    ...orphanMetrics(registry),
    images: imageMetrics(registry),
    devices: deviceMetrics(registry),
    csiCalled: csiMetrics(registry),
    cgroupVersion: (version) => cgroupVersion.set(version),
    sync: (operation, seconds) => sync.observe(seconds, { operation_type: operation }),
    relist: relistMetrics(registry),
    operations: runtimeOperations(registry),
    counts: podCounts(registry),
    cgroups: (operation, seconds) => cgroupSeconds.observe(seconds, { operation_type: operation }),
    storage: storageMetrics(registry),
    claims: claimMetrics(registry),
    probes: probeMetrics(registry),
    watch(pods, nodeName) {
      sets.push(pods);
      metrics.storage.watch('desired', () => volumePlugins(pods, metrics.storage));
      nodes.add(nodeName);
    },
  };
  known.set(registry, metrics);
  return metrics;
}

function startMetrics(registry: MetricsRegistry): Pick<KubeletMetrics, 'podStart' | 'podRuns'> {
  const start = registry.histogram(
    'kubelet_pod_start_duration_seconds',
    'Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run',
    startBuckets,
  );
  const total = registry.histogram(
    'kubelet_pod_start_total_duration_seconds',
    'Seconds from the creation of a pod until the API shows all its containers running.',
    startBuckets,
  );
  const own = registry.histogram(
    'kubelet_pod_start_sli_duration_seconds',
    'Seconds from the creation of a pod until the API shows all its containers running, without pulling images and init containers.',
    startBuckets,
  );
  return {
    podStart: (seconds) => start.observe(seconds),
    podRuns({ totalSeconds, ownSeconds }) {
      total.observe(totalSeconds);
      own.observe(ownSeconds);
    },
  };
}

function relistMetrics(registry: MetricsRegistry): KubeletMetrics['relist'] {
  const relistDuration = registry.histogram(
    'kubelet_pleg_relist_duration_seconds',
    'Duration in seconds for relisting pods in PLEG.',
    defaultBuckets,
  );
  const relistInterval = registry.histogram(
    'kubelet_pleg_relist_interval_seconds',
    'Interval in seconds between relisting in PLEG.',
    [...defaultBuckets, 30, 60, 90, 120],
  );
  const lastSeen = registry.gauge(
    'kubelet_pleg_last_seen_seconds',
    'Timestamp in seconds when PLEG was last seen active.',
  );
  return ({ seconds, sinceLastSeconds, nowMs }) => {
    lastSeen.set(Math.floor(nowMs / 1000));
    relistDuration.observe(seconds);
    if (sinceLastSeconds !== undefined) relistInterval.observe(sinceLastSeconds);
  };
}

function orphanMetrics(registry: MetricsRegistry): Pick<KubeletMetrics, 'orphanFound' | 'orphanVolumes'> {
  const found = registry.plainCounter(
    'kubelet_orphaned_runtime_pods_total',
    'Number of pods that have been detected in the container runtime without being already known to the pod worker. This typically indicates the kubelet was restarted while a pod was force deleted in the API or in the local configuration, which is unusual.',
  );
  const cleaned = registry.gauge(
    'kubelet_orphan_pod_cleaned_volumes',
    'The total number of orphaned Pods whose volumes were cleaned in the last periodic sweep.',
  );
  const failed = registry.gauge(
    'kubelet_orphan_pod_cleaned_volumes_errors',
    'The number of orphaned Pods whose volumes failed to be cleaned in the last periodic sweep.',
  );
  return {
    orphanFound: () => found.add(1),
    orphanVolumes(cleanedCount, failedCount) {
      cleaned.set(cleanedCount);
      failed.set(failedCount);
    },
  };
}

/** The states of the pods of all nodes that share the registry, determined when metrics are collected. */
function showPods(registry: MetricsRegistry, sets: readonly PodSet[], nodes: ReadonlySet<string>): void {
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
  registry.collected('kubelet_running_containers', 'Number of currently running containers', () => {
    const counts = new Map<string, number>();
    for (const set of sets)
      for (const [state, count] of set.containersByState())
        counts.set(state, (counts.get(state) ?? 0) + count);
    return [...counts].map(([state, value]) => ({ labels: { container_state: state }, value }));
  });
  const byOrigin = (matches: (worker: PodWorker) => boolean) => () =>
    ['', 'true'].map((isStatic) => ({
      labels: { static: isStatic },
      value: sets
        .flatMap((set) => [...set.workers()])
        .filter((worker) => matches(worker) && worker.isStatic === (isStatic === 'true')).length,
    }));
  registry.collected(
    'kubelet_desired_pods',
    'The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.',
    byOrigin(({ pod }) => pod.metadata.deletionTimestamp === undefined),
  );
  registry.collected(
    'kubelet_working_pods',
    'Number of pods that the kubelet works on, by the phase of their life, and whether they are static.',
    () => workingPods(sets),
  );
  registry.collected(
    'kubelet_mirror_pods',
    'Number of admitted static pods, each of which has a mirror pod.',
    total((set) => [...set.workers()].filter(({ isStatic, isAdmitted }) => isStatic && isAdmitted).length),
  );
  registry.collected(
    'kubelet_managed_ephemeral_containers',
    'Current number of ephemeral containers in pods managed by this kubelet.',
    total((set) => sum([...set.workers()].map(({ pod }) => pod.spec.ephemeralContainers?.length ?? 0))),
  );
  showResizes(registry, sets);
  registry.collected(
    'kubelet_active_pods',
    'The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.',
    byOrigin(({ isAdmitted }) => isAdmitted),
  );
}

function showResizes(registry: MetricsRegistry, sets: readonly PodSet[]): void {
  registry.collected('kubelet_pod_pending_resizes', 'Number of pending resizes for pods.', () =>
    ['Deferred', 'Infeasible'].map((reason) => ({
      labels: { reason: reason.toLowerCase() },
      value: sum(
        sets.map((set) =>
          set.countConditions((one) => one.type === 'PodResizePending' && one.reason === reason),
        ),
      ),
    })),
  );
  registry.collected('kubelet_pod_in_progress_resizes', 'Number of in-progress resizes for pods.', () => [
    { value: sum(sets.map((set) => set.countConditions(({ type }) => type === 'PodResizeInProgress'))) },
  ]);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** The stages of a worker in upstream's words. */
function lifecycleOf({ isDone, isTerminating }: PodWorker): string {
  if (isDone) return 'terminated';
  return isTerminating ? 'terminating' : 'sync';
}

/** Pods that only the runtime still knows are terminated without a worker. */
function workingPods(sets: readonly PodSet[]) {
  const workers = sets.flatMap((set) => [...set.workers()]);
  return ['sync', 'terminating', 'terminated'].flatMap((lifecycle) =>
    ['', 'true'].map((isStatic) => ({
      labels: { config: 'desired', lifecycle, static: isStatic },
      value: workers.filter(
        (worker) => lifecycleOf(worker) === lifecycle && worker.isStatic === (isStatic === 'true'),
      ).length,
    })),
  );
}

/** Of the volumes that pods are to have. */
function* volumePlugins(pods: PodSet, storage: StorageMetrics): Iterable<string> {
  for (const { isDone, pod, uid } of pods.workers())
    for (const volume of isDone ? [] : (pod.spec.volumes ?? [])) {
      const plugin = storage.pluginOf(uid, volume);
      if (plugin !== undefined) yield plugin;
    }
}

function runtimeOperations(registry: MetricsRegistry): RuntimeOperations {
  const total = registry.counter(
    'kubelet_runtime_operations_total',
    'Cumulative number of runtime operations by operation type.',
  );
  const errors = registry.counter(
    'kubelet_runtime_operations_errors_total',
    'Cumulative number of runtime operation errors by operation type.',
  );
  const duration = registry.histogram(
    'kubelet_runtime_operations_duration_seconds',
    'Duration in seconds of runtime operations. Broken down by operation type.',
    operationBuckets,
  );
  return {
    done(operation, outcome, seconds) {
      const labels = { operation_type: operation };
      total.add(1, labels);
      duration.observe(seconds, labels);
      if (outcome === 'failed') errors.add(1, labels);
    },
  };
}

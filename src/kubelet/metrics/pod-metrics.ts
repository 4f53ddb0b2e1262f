/** Counts of pods and containers that start, are refused or are evicted, under upstream's names. */

import type { Pod } from '../../api/resources.gen.ts';
import type { Outcome } from '../../base/async/timed.ts';
import type { BoundCounter, Counter, MetricsRegistry } from '../../base/metrics.ts';
import type { RequestedResize } from '../resources/requested-resizes.ts';

export interface PodCounts {
  /** Work on a pod has begun, this long after the node learned of it. */
  workBegan(pod: Pod, seconds: number): void;
  resizeRequested(resize: RequestedResize): void;
  /** Granted amounts were put into effect, or should have been. */
  resized(outcome: Outcome, tookMs: number): void;
  sandboxStarted(runtimeHandler: string, outcome: Outcome, seconds: number): void;
  /** The sandbox of a pod with users of its own was to start. */
  userNamespaceStarted(outcome: Outcome): void;
  containerStarts(pod: Pod, containerName: string): void;
  /** Its status shows the end for the first time. */
  containerEnded(pod: Pod, containerName: string, end: { exitCode: number; reason?: string }): void;
  /** The API has a status, this long after it first differed from the one there. */
  statusWritten(seconds: number): void;
  /** `code`: the reason in its status. */
  containerFailed(pod: Pod, containerName: string, code: string): void;
  /** An image was to be mounted as a volume. */
  imageVolumeRequested(outcome: Outcome): void;
  /** A hook that asks by HTTPS was answered by HTTP alone. */
  hookFellBack(): void;
  /** The container had to end before the sleep of its hook was over. */
  hookSleepCutShort(): void;
  refused(reason: string): void;
  /** `signal`: `memory.available`, `emptydirfs.limit` … */
  evicted(signal: string): void;
  /** A pod is to be evicted for what was measured this long ago. */
  evictionDecided(signal: string, measuredSecondsAgo: number): void;
  /** For a critical pod that lacks this resource. */
  preempted(resource: string): void;
}

/** Upstream's defaults. */
export const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const resizeBucketsMs = [
  10, 50, 100, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
];
const statusBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60];

export function podCounts(registry: MetricsRegistry): PodCounts {
  const counter: NewCounter = (name, help) => registry.counter(`kubelet_${name}`, help);
  const plain: NewPlainCounter = (name, help) => registry.plainCounter(`kubelet_${name}`, help);
  return {
    ...podStarts(registry, { counter, plain }),
    ...containerLives(counter),
    ...resizes(registry),
    ...statusWrites(registry),
    ...imageVolumes(plain),
    ...hooks(plain),
    ...decisionsAgainst(registry, counter),
  };
}

/** `name`: without the prefix of all. */
type NewCounter = (name: string, help: string) => Counter;
/** Without labels. */
type NewPlainCounter = (name: string, help: string) => BoundCounter;

function podStarts(
  registry: MetricsRegistry,
  { counter, plain }: { counter: NewCounter; plain: NewPlainCounter },
): Pick<PodCounts, 'workBegan' | 'sandboxStarted' | 'userNamespaceStarted'> {
  const containersPerPod = registry.histogram(
    'kubelet_containers_per_pod_count',
    'The number of containers per pod.',
    [1, 2, 4, 8, 16],
  );
  const workerSeconds = registry.histogram(
    'kubelet_pod_worker_start_duration_seconds',
    'Duration in seconds from kubelet seeing a pod to starting a worker.',
    defaultBuckets,
  );
  const sandboxSeconds = registry.histogram(
    'kubelet_run_podsandbox_duration_seconds',
    'Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.',
    defaultBuckets,
  );
  const sandboxErrors = counter(
    'run_podsandbox_errors_total',
    'Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.',
  );
  const pods = plain('started_pods_total', 'Cumulative number of pods started');
  const podErrors = plain('started_pods_errors_total', 'Cumulative number of errors when starting pods');
  const isolated = plain(
    'started_user_namespaced_pods_total',
    'Cumulative number of pods with user namespaces started. This metric will only be collected on Linux.',
  );
  const isolatedErrors = plain(
    'started_user_namespaced_pods_errors_total',
    'Cumulative number of errors when starting pods with user namespaces. This metric will only be collected on Linux.',
  );
  return {
    workBegan(pod, seconds) {
      containersPerPod.observe(pod.spec.containers.length);
      workerSeconds.observe(seconds);
    },
    sandboxStarted(runtimeHandler, outcome, seconds) {
      pods.add(1);
      sandboxSeconds.observe(seconds, { runtime_handler: runtimeHandler });
      if (outcome === 'succeeded') return;
      podErrors.add(1);
      sandboxErrors.add(1, { runtime_handler: runtimeHandler });
    },
    userNamespaceStarted(outcome) {
      isolated.add(1);
      if (outcome === 'failed') isolatedErrors.add(1);
    },
  };
}

function containerLives(
  counter: NewCounter,
): Pick<PodCounts, 'containerStarts' | 'containerEnded' | 'containerFailed' | 'resizeRequested'> {
  const starts = counter('started_containers_total', 'Cumulative number of containers started');
  const errors = counter(
    'started_containers_errors_total',
    'Cumulative number of errors when starting containers',
  );
  const ends = counter('terminated_containers_total', 'Cumulative number of container terminations.');
  const resizes = counter(
    'container_requested_resizes_total',
    "Number of requested resizes, counted at the container level. Different resources on the same container are counted separately. The 'requirement' label refers to 'memory' or 'limits'; the 'operation' label can be one of 'add', 'remove', 'increase' or 'decrease'.",
  );
  return {
    containerStarts: (pod, name) => starts.add(1, { container_type: containerType(pod, name) }),
    containerEnded: (pod, name, { exitCode, reason = '' }) =>
      ends.add(1, { container_type: containerType(pod, name), exit_code: String(exitCode), reason }),
    containerFailed: (pod, name, code) => errors.add(1, { container_type: containerType(pod, name), code }),
    resizeRequested: ({ operation, requirement, resource }) =>
      resizes.add(1, { operation, requirement, resource }),
  };
}

function resizes(registry: MetricsRegistry): Pick<PodCounts, 'resized'> {
  const durations = registry.histogram(
    'kubelet_pod_resize_duration_milliseconds',
    'Duration in milliseconds to actuate a pod resize',
    resizeBucketsMs,
  );
  return {
    resized: (outcome, tookMs) => durations.observe(tookMs, { success: String(outcome === 'succeeded') }),
  };
}

function statusWrites(registry: MetricsRegistry): Pick<PodCounts, 'statusWritten'> {
  const seconds = registry.histogram(
    'kubelet_pod_status_sync_duration_seconds',
    'Duration in seconds to sync a pod status update. Measures time from detection of a change to pod status until the API is successfully updated for that pod, even if multiple intevening changes to pod status occur.',
    statusBuckets,
  );
  return { statusWritten: (tookSeconds) => seconds.observe(tookSeconds) };
}

function imageVolumes(plain: NewPlainCounter): Pick<PodCounts, 'imageVolumeRequested'> {
  const requested = plain('image_volume_requested_total', 'Number of requested image volumes.');
  const outcomes = {
    succeeded: plain('image_volume_mounted_succeed_total', 'Number of successful image volume mounts.'),
    failed: plain('image_volume_mounted_errors_total', 'Number of failed image volume mounts.'),
  };
  return {
    imageVolumeRequested(outcome) {
      requested.add(1);
      outcomes[outcome].add(1);
    },
  };
}

function hooks(plain: NewPlainCounter): Pick<PodCounts, 'hookFellBack' | 'hookSleepCutShort'> {
  const fallbacks = plain(
    'lifecycle_handler_http_fallbacks_total',
    'The number of times lifecycle handlers successfully fell back to http from https.',
  );
  const shortSleeps = plain(
    'sleep_action_terminated_early_total',
    'The number of times lifecycle sleep handler got terminated before it finishes',
  );
  return { hookFellBack: () => fallbacks.add(1), hookSleepCutShort: () => shortSleeps.add(1) };
}

/** Pods that the node does not take, or no longer keeps. */
function decisionsAgainst(
  registry: MetricsRegistry,
  counter: NewCounter,
): Pick<PodCounts, 'refused' | 'evicted' | 'evictionDecided' | 'preempted'> {
  const statsAge = registry.histogram(
    'kubelet_eviction_stats_age_seconds',
    'Time between when stats are collected, and when pod is evicted based on those stats by eviction signal',
    defaultBuckets,
  );
  const rejections = counter(
    'admission_rejections_total',
    'Cumulative number pod admission rejections by the Kubelet.',
  );
  const evictions = counter('evictions', 'Cumulative number of pod evictions by eviction signal');
  const preemptions = counter('preemptions', 'Cumulative number of pod preemptions by preemption resource');
  return {
    refused: (reason) => rejections.add(1, { reason }),
    evicted: (signal) => evictions.add(1, { eviction_signal: signal }),
    evictionDecided: (signal, secondsAgo) => statsAge.observe(secondsAgo, { eviction_signal: signal }),
    preempted: (resource) => preemptions.add(1, { preemption_signal: resource }),
  };
}

function containerType({ spec }: Pod, name: string): string {
  const isAmong = (list: readonly { name: string }[] = []) => list.some((one) => one.name === name);
  if (isAmong(spec.initContainers)) return 'init_container';
  return isAmong(spec.ephemeralContainers) ? 'ephemeral_container' : 'container';
}

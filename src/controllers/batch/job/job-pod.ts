/** A Job's pods: how they are created, and what their state counts as. */
import { jobNameLabel } from '../../../api/batch/job.ts';
import { controllerOf, type Draft } from '../../../api/meta.ts';
import { Job, type Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { podFromTemplate } from '../../pods/pod-template.ts';

/** Holds a pod until its outcome is counted, so that none is lost and none counted twice. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexKey = 'batch.kubernetes.io/job-completion-index';
const indexFailuresAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const ignoredFailuresAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';

const ownManager = 'kubernetes.io/job-controller';

/** The controller to which the job is delegated; undefined when it is ours. */
export function keptByAnother(job: Job): string | undefined {
  const { managedBy } = job.spec ?? {};
  return managedBy === ownManager ? undefined : managedBy || undefined;
}

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === 'Indexed';
}

/** True when a pod is replaced only once it has fully ended. */
export function replacesOnlyFailed(job: Job): boolean {
  return job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined;
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;
}

/**
 * Failed, or (where that is enough for a replacement) terminating. Pods that the job itself removed, because it was
 * suspended or its parallelism reduced, lost their finalizer before and are no failures.
 */
export function countsAsFailed(job: Job, pod: Pod): boolean {
  if (pod.metadata.deletionTimestamp !== undefined && !isTracked(pod)) return false;
  const phase = pod.status?.phase;
  if (phase === 'Failed') return true;
  if (phase === 'Succeeded' || replacesOnlyFailed(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined;
}

/** The pod's index below the job's completions; undefined for any other. */
export function indexOf(job: Job, pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey];
  const index = text === undefined ? Number.NaN : Number(text);
  return Number.isInteger(index) && index >= 0 && index < (job.spec?.completions ?? 0) ? index : undefined;
}

export function failuresOf(pod: Pod): { counted: number; ignored: number } {
  const { annotations } = pod.metadata;
  return {
    counted: countOf(annotations?.[indexFailuresAnnotation]),
    ignored: countOf(annotations?.[ignoredFailuresAnnotation]),
  };
}

/**
 * A count that is not a positive whole number, as a user may have written, is zero: the pods that follow would pass it
 * on.
 */
function countOf(text: string | undefined): number {
  const count = Number(text ?? 0);
  return Number.isInteger(count) && count > 0 ? count : 0;
}

/** `failures`: of the same index so far, when the job limits those. */
export function newJobPod(
  job: Job,
  index: number | undefined,
  failures: { counted: number; ignored: number } | undefined,
): Draft<Pod> {
  const pod = podFromTemplate(job.spec!.template, { type: Job, object: job });
  const finalizers = [...(pod.metadata.finalizers ?? []), trackingFinalizer];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const value = String(index);
  const annotations = {
    ...pod.metadata.annotations,
    [indexKey]: value,
    ...(failures && { [indexFailuresAnnotation]: String(failures.counted) }),
    ...(failures && failures.ignored > 0 && { [ignoredFailuresAnnotation]: String(failures.ignored) }),
  };
  const spec = pod.spec as core.PodSpec;
  const { initContainers } = spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: `${job.metadata.name}-${index}-`,
      labels: { ...pod.metadata.labels, [indexKey]: value },
      annotations,
      finalizers,
    },
    spec: {
      ...spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: spec.containers.map(withIndexVariable),
      ...(initContainers && { initContainers: initContainers.map(withIndexVariable) }),
    },
  } as Draft<Pod>;
}

const indexVariable = 'JOB_COMPLETION_INDEX';

function withIndexVariable(container: core.Container): core.Container {
  if (container.env?.some(({ name }) => name === indexVariable)) return container;
  const fieldRef = { fieldPath: `metadata.labels['${indexKey}']` };
  return { ...container, env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }] };
}

/**
 * Whether a pod still carries the finalizer, although no job counts it any longer: it has no controller, or the job that
 * is its controller is gone. `name`: of the job that made it. `job`: as it is known; a cache may lag behind.
 */
export function mayBeLeftBehind(pod: Pod, name: string, job: Job | undefined): boolean {
  if (!isTracked(pod)) return false;
  const controller = controllerOf(pod);
  if (controller) return !job && controller.kind === 'Job' && controller.name === name;
  return pod.metadata.labels?.[jobNameLabel] === name;
}

export function isOwnedBy(pod: Pod, job: Job | undefined): boolean {
  const controller = controllerOf(pod);
  return controller !== undefined && controller.uid === job?.metadata.uid;
}

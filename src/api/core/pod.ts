/** Pods: what a new one starts with, what an update may change, and how one is printed and selected. */
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, forbiddenField, invalidValue } from '../field-error.ts';
import { Pod } from '../resources.gen.ts';
import type { Container } from '../types/core-v1.gen.ts';
import { podTableColumns } from './pod-columns.ts';
import { qosClassOf } from './pod-qos.ts';
import { validateResize } from './pod-resize.ts';
import { validatePodAnnotations } from './pod-spec/annotations.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validatePodSpec } from './pod-spec/validate.ts';
import { podWarnings } from './pod-spec/warnings.ts';
import { validateEphemeralContainersUpdate, validatePodSpecUpdate } from './pod-update.ts';

export const podKind = defineKind(Pod, {
  returnsDeleted: true,
  status: 'separate',
  hasGeneration: true,
  columns: podTableColumns,
  defaults: defaultPod,
  prepareCreate(pod) {
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
    if (pod.spec.schedulingGates?.length)
      pod.status.conditions = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
        } as NonNullable<NonNullable<Pod['status']>['conditions']>[number],
      ];
  },
  prepareUpdate(pod, old) {
    if (old.status) pod.status = old.status;
    else delete pod.status;
  },
  prepareStatusUpdate(pod, old) {
    pod.spec = old.spec;
    // Ownership is not the node's to change.
    if (old.metadata.ownerReferences) pod.metadata.ownerReferences = old.metadata.ownerReferences;
    else delete pod.metadata.ownerReferences;
    if (pod.status) pod.status.qosClass ??= old.status?.qosClass ?? qosClassOf(pod.spec);
    keepObservedGenerations(pod, old);
  },
  *validate(pod, { subresource, isUpdate }) {
    if (subresource === 'status') yield* validatePodStatus(pod);
    else yield* validatePodSpec(pod.spec, 'spec');
    if (!isUpdate) yield* validateNewPod(pod);
  },
  *validateUpdate(pod, old, { subresource }) {
    if (subresource === 'status') yield* validateStatusUpdate(pod, old);
    if (subresource === 'status' || subresource === 'binding') return;
    yield* validatePodAnnotations(pod, 'metadata.annotations', old);
    if (subresource === 'ephemeralcontainers') yield* validateEphemeralContainersUpdate(pod, old);
    else if (subresource === 'resize') yield* validateResize(pod, old);
    else yield* validatePodSpecUpdate(pod, old);
  },
  selectableFields: (pod) => ({
    'spec.nodeName': pod.spec.nodeName ?? '',
    'spec.restartPolicy': pod.spec.restartPolicy ?? '',
    'spec.schedulerName': pod.spec.schedulerName ?? '',
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? '',
    'spec.hostNetwork': String(pod.spec.hostNetwork ?? false),
    'status.phase': pod.status?.phase ?? '',
    'status.podIP': pod.status?.podIP ?? pod.status?.podIPs?.[0]?.ip ?? '',
    'status.podIPs': (pod.status?.podIPs ?? []).map(({ ip }) => ip).join(','),
    'status.nominatedNodeName': pod.status?.nominatedNodeName ?? '',
  }),
  *warnings(pod, old) {
    if (!old) yield* podWarnings(pod);
  },
  gracePeriodSeconds(pod, requested) {
    let seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    // A pod that no node has yet, or that has ended, has nobody to wait for.
    if (!pod.spec.nodeName) return 0;
    if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0;
    if (seconds < 0) seconds = 1;
    return seconds;
  },
});

/** A client that knows nothing of what was observed does not take it away. */
function keepObservedGenerations({ status }: Pod, old: Pod): void {
  if (!status || !old.status) return;
  if (!status.observedGeneration && old.status.observedGeneration)
    status.observedGeneration = old.status.observedGeneration;
  for (const condition of status.conditions ?? []) {
    const before = old.status.conditions?.find(({ type }) => type === condition.type);
    if (!condition.observedGeneration && before?.observedGeneration)
      condition.observedGeneration = before.observedGeneration;
  }
}

function* validateStatusUpdate({ status }: Pod, old: Pod): FieldErrors {
  const before = old.status?.qosClass;
  if (before && status && status.qosClass !== before)
    yield invalidValue('status.qosClass', status.qosClass, 'field is immutable');
}

function defaultPod(pod: Pod): void {
  // What is frozen was stored, and has its defaults.
  if (!pod.spec || Object.isFrozen(pod.spec)) return;
  // Of pods only: a template may say so, and is not changed.
  if ((pod.spec.terminationGracePeriodSeconds ?? 0) < 0) pod.spec.terminationGracePeriodSeconds = 1;
  pod.spec.enableServiceLinks ??= true;
  defaultPodSpec(pod.spec);
  for (const container of pod.spec.containers ?? []) requestWhatIsLimited(container);
  for (const container of pod.spec.initContainers ?? []) requestWhatIsLimited(container);
}

/** A limit without a request is a request too: of pods only, never of templates. */
function requestWhatIsLimited(container: Container): void {
  const { limits, requests } = container.resources ?? {};
  if (!limits) return;
  for (const name in limits) {
    if (requests?.[name] !== undefined) continue;
    // The old list may be shared with others: it is replaced, not filled.
    container.resources!.requests = { ...limits, ...requests };
    return;
  }
}

/** What only later steps of a pod's life may set. */
function* validateNewPod(pod: Pod): FieldErrors {
  const { spec } = pod;
  yield* validatePodAnnotations(pod, 'metadata.annotations');
  if (spec.ephemeralContainers?.length)
    yield forbiddenField('spec.ephemeralContainers', 'cannot be set on create');
  if (spec.schedulingGates?.length && spec.nodeName)
    yield forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared');
}

function* validatePodStatus(pod: Pod): FieldErrors {
  const status = pod.status;
  if (!status) return;
  for (const list of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const)
    for (const [index, container] of (status[list] ?? []).entries())
      if ((container.restartCount ?? 0) < 0)
        yield invalidValue(
          `status.${list}[${index}].restartCount`,
          container.restartCount,
          'must be greater than or equal to 0',
        );
  if (status.podIPs && status.podIPs.length > 2)
    yield invalidValue('status.podIPs', status.podIPs, 'may specify no more than one IP for each IP family');
  const gated = (pod.spec.schedulingGates?.length ?? 0) > 0;
  if (gated && status.nominatedNodeName)
    yield forbiddenField(
      'status.nominatedNodeName',
      'cannot set nominatedNodeName when schedulingGates are present',
    );
}

/** Pods: what a new one starts with, what an update may change, and how one is printed and selected. */
import { defineKind } from '../kinds/define-kind.ts';
import { Pod } from '../resources.gen.ts';
import type { Container } from '../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField } from '../validation/field-error.ts';
import { podTableColumns } from './pod/columns.ts';
import { applyLabelKeys } from './pod/label-keys.ts';
import { defaultPodLevelResources } from './pod/pod-level-defaults.ts';
import { computeQosClass } from './pod/qos.ts';
import { validateResize } from './pod/resize.ts';
import { validatePodStatusUpdate } from './pod/status.ts';
import { validateEphemeralContainersUpdate, validatePodSpecUpdate } from './pod/update.ts';
import { validatePodAnnotations, validatePodAnnotationUpdate } from './pod-spec/annotations.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { applyAppArmorAnnotations, validateProfilesAgree } from './pod-spec/profiles.ts';
import { validatePodImages, validatePodSpec } from './pod-spec/validate.ts';
import { podNameWarnings, podWarnings } from './pod-spec/warnings.ts';

export const podKind = defineKind(Pod, {
  returnsDeleted: true,
  status: 'separate',
  hasGeneration: true,
  columns: podTableColumns,
  defaults: defaultPod,
  prepareCreate(pod, warnings) {
    pod.status = { phase: 'Pending', qosClass: computeQosClass(pod.spec) };
    if (pod.spec.schedulingGates?.length)
      pod.status.conditions = [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          // A time that is not set is written as null, as upstream does.
          lastProbeTime: null as unknown as string,
          lastTransitionTime: pod.metadata.creationTimestamp,
        } as NonNullable<NonNullable<Pod['status']>['conditions']>[number],
      ];
    applyLabelKeys(pod);
    const told = applyAppArmorAnnotations(pod);
    warnings?.push(...told);
  },
  prepareUpdate(pod, old) {
    if (!old.status) delete pod.status;
  },
  prepareStatusUpdate(pod, old) {
    pod.spec = old.spec;
    if (pod.status) settleAddresses(pod.status);
    // Ownership is not the node's to change.
    if (old.metadata.ownerReferences) pod.metadata.ownerReferences = old.metadata.ownerReferences;
    else delete pod.metadata.ownerReferences;
    if (pod.status) pod.status.qosClass ??= old.status?.qosClass ?? computeQosClass(pod.spec);
    keepObservedGenerations(pod, old);
  },
  *validate(pod, { subresource, isUpdate }) {
    if (subresource === 'status') return;
    yield* validatePodSpec(pod.spec, 'spec', pod);
    yield* validatePodImages(pod.spec, 'spec');
    if (!isUpdate) yield* validateNewPod(pod);
  },
  *validateUpdate(pod, old, { subresource }) {
    if (subresource === 'binding') return;
    yield* validatePodAnnotationUpdate(pod, old, 'metadata.annotations');
    yield* validatePodAnnotations(pod, 'metadata.annotations', old);
    if (subresource === 'status') {
      yield* validatePodStatusUpdate(pod, old);
      return;
    }
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
    if (old) return;
    yield* podNameWarnings(pod.metadata, "this is used in the Pod's hostname");
    yield* podWarnings(pod);
  },
  gracePeriodSeconds(pod, requested) {
    let seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    // A pod without a node, or one that has ended, need not be waited for.
    if (!pod.spec.nodeName) return 0;
    if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0;
    if (seconds < 0) seconds = 1;
    return seconds;
  },
});

/**
 * The single field holds the first of a pod's addresses; it takes precedence, since old kubelets know only that field.
 */
function settleAddresses(status: NonNullable<Pod['status']>): void {
  if (status.podIP && status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }];
  else if (status.podIPs?.length) status.podIP = status.podIPs[0]!.ip;
}

/** A client that does not know the observed generation does not remove it. */
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

function defaultPod(pod: Pod): void {
  // What is frozen was stored, and has its defaults.
  if (!pod.spec || Object.isFrozen(pod.spec)) return;
  // Of pods only: a template may say so, and is not changed.
  if ((pod.spec.terminationGracePeriodSeconds ?? 0) < 0) pod.spec.terminationGracePeriodSeconds = 1;
  pod.spec.enableServiceLinks ??= true;
  defaultPodSpec(pod.spec, { isPod: true });
  for (const container of pod.spec.containers ?? []) requestWhatIsLimited(container);
  for (const container of pod.spec.initContainers ?? []) requestWhatIsLimited(container);
  defaultPodLevelResources(pod);
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
  yield* validateProfilesAgree(pod, 'spec');
}

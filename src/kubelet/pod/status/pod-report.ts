/** Composes a pod's status for the API, and passes it to the status manager. */
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import type { ContainerResources } from '../../containers/container-resources.ts';
import type { WaitingReason } from '../../containers/container-statuses.ts';
import type { KubeletContext } from '../../context.ts';
import { allocatedStatus } from '../../dynamic-resources/allocated-status.ts';
import type { ObservedPod } from '../pod-observation.ts';
import { computePodStatus, type PodVerdict } from './pod-status.ts';

export interface PodReport {
  /** The object at the API; for a static pod, its mirror. */
  subject: Pod;
  observed: ObservedPod;
  failures: ReadonlyMap<string, WaitingReason>;
  resources: ContainerResources;
  verdict: PodVerdict | undefined;
  hasEnded: boolean;
}

export function reportPod(context: KubeletContext, report: PodReport): void {
  const { subject, verdict, resources } = report;
  const { statuses, probes } = context;
  const before = statuses.statusOf(subject.metadata.uid);
  // The last wanted status may not have reached the server yet; times and phases continue from it.
  const known = before
    ? { ...subject, status: { ...subject.status, ...before, conditions: newestConditions(subject, before) } }
    : subject;
  const status = computePodStatus(known, report.observed, {
    runtimeName: context.runtimeName,
    failures: report.failures,
    isStarted: (container, observed) => probes.isStarted(container, observed.id),
    isReady: (container, observed) => probes.isReady(container, observed.id),
    resourcesOf: (container) => resources.actual(container),
    allocatedTo: (container) => resources.allocated(container),
    hasRecursiveReadOnly: context.hasRecursiveReadOnly(report.observed.sandboxes[0]?.runtimeHandler ?? ''),
    nowMs: context.clock.now(),
    hostIps: context.node().hostIps,
    ended: report.hasEnded,
    holdsDevices: context.claims.holds(subject.metadata.uid),
    devicesOf: (container) => devicesOf(context, subject, container),
    resize: { conditions: resources.conditions() },
    ofPod: (phase) => resources.ofPod(subject, phase),
    ...(verdict && { verdict }),
  });
  statuses.set(subject, status);
}

function devicesOf(
  { devices, claims }: KubeletContext,
  pod: Pod,
  container: core.Container,
): core.ResourceStatus[] {
  return allocatedStatus(container, {
    ofPlugins: devices.ofContainer(pod.metadata.uid, container.name),
    ofClaims: claims.claimsOf(pod, container),
    healthOf: claims.healthOf,
  });
}

/** Our own conditions come from us, those of others from the server. */
function newestConditions(subject: Pod, before: core.PodStatus): core.PodCondition[] {
  const own = before.conditions ?? [];
  const others = (subject.status?.conditions ?? []).filter(
    ({ type }) => !own.some((known) => known.type === type),
  );
  return [...own, ...others];
}

/** The columns of pods: above all the single word that sums up the state of a pod. */

import { ageColumn, ageSince, column, countColumn, nameColumn, wideColumn } from '../../kinds/columns.ts';
import type { Column } from '../../kinds/kind.ts';
import type { ContainerStatus, Pod, PodStatus } from '../../types/core-v1.gen.ts';
import { sidecarNames } from './sidecars.ts';

/** What a pod's line says besides its name and age. */
export interface PodSummary {
  ready: number;
  total: number;
  reason: string;
  restarts: number;
  /** When a container last ended, if one was restarted. */
  lastRestart: string | undefined;
}

/** Sums up containers as `kubectl get pods` does. */
export function summarizePod(pod: Pod): PodSummary {
  const status: PodStatus = pod.status ?? {};
  const sidecars = sidecarNames(pod.spec);
  const summary: PodSummary = {
    ready: 0,
    total: (pod.spec.containers?.length ?? 0) + sidecars.size,
    reason: status.reason || status.phase || '',
    restarts: 0,
    lastRestart: undefined,
  };
  if (hasCondition(status, 'PodScheduled', undefined, 'SchedulingGated')) summary.reason = 'SchedulingGated';

  const sidecarRestarts = { restarts: 0, lastRestart: undefined as string | undefined };
  const initializing = summarizeInitContainers(pod, sidecars, summary, sidecarRestarts);
  if (!initializing || hasCondition(status, 'Initialized', 'True')) {
    summary.restarts = sidecarRestarts.restarts;
    summary.lastRestart = sidecarRestarts.lastRestart;
    summarizeContainers(status, summary);
  }
  // Until it is gone, also when its containers have ended: what the tutorials show (upstream since 1.27 shows how they ended).
  if (pod.metadata.deletionTimestamp)
    summary.reason = status.reason === 'NodeLost' ? 'Unknown' : 'Terminating';
  return summary;
}

/** Goes through the init containers up to the first that has not succeeded; true when there is such a one. */
function summarizeInitContainers(
  pod: Pod,
  sidecars: ReadonlySet<string>,
  summary: PodSummary,
  sidecarRestarts: { restarts: number; lastRestart: string | undefined },
): boolean {
  const statuses = pod.status?.initContainerStatuses ?? [];
  for (const [index, container] of statuses.entries()) {
    countRestarts(container, summary);
    const isSidecar = sidecars.has(container.name);
    if (isSidecar) countRestarts(container, sidecarRestarts);
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (isSidecar && container.started) {
      if (container.ready) summary.ready++;
      continue;
    }
    if (terminated) summary.reason = `Init:${terminatedReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing')
      summary.reason = `Init:${waiting.reason}`;
    else summary.reason = `Init:${index}/${pod.spec.initContainers?.length ?? 0}`;
    return true;
  }
  return false;
}

function summarizeContainers(status: PodStatus, summary: PodSummary): void {
  let hasRunning = false;
  for (const container of (status.containerStatuses ?? []).toReversed()) {
    countRestarts(container, summary);
    const { running, terminated, waiting } = container.state ?? {};
    if (waiting?.reason) summary.reason = waiting.reason;
    else if (terminated) summary.reason = terminatedReason(terminated);
    else if (container.ready && running) {
      hasRunning = true;
      summary.ready++;
    }
  }
  // One container has completed while another still runs.
  if (summary.reason === 'Completed' && hasRunning)
    summary.reason = hasCondition(status, 'Ready', 'True') ? 'Running' : 'NotReady';
}

function terminatedReason(state: { reason?: string; signal?: number; exitCode: number }): string {
  if (state.reason) return state.reason;
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`;
}

function countRestarts(
  container: ContainerStatus,
  into: { restarts: number; lastRestart: string | undefined },
): void {
  into.restarts += container.restartCount ?? 0;
  const finishedAt = container.lastState?.terminated?.finishedAt;
  if (finishedAt && (!into.lastRestart || Date.parse(finishedAt) > Date.parse(into.lastRestart)))
    into.lastRestart = finishedAt;
}

function hasCondition(status: PodStatus, type: string, value?: string, reason?: string): boolean {
  return (status.conditions ?? []).some(
    (condition) =>
      condition.type === type &&
      (value === undefined || condition.status === value) &&
      (reason === undefined || condition.reason === reason),
  );
}

/** All cells of one pod use the same summary, and cells are computed one after another. */
let latest: { pod: Pod; summary: PodSummary } | undefined;
function summaryOf(pod: Pod): PodSummary {
  if (latest?.pod !== pod) latest = { pod, summary: summarizePod(pod) };
  return latest.summary;
}

function restartsCell(pod: Pod, nowMs: number): string {
  const { restarts, lastRestart } = summaryOf(pod);
  return restarts > 0 && lastRestart ? `${restarts} (${ageSince(lastRestart, nowMs)} ago)` : String(restarts);
}

function readinessGatesCell(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter((gate) => hasCondition(pod.status ?? {}, gate.conditionType, 'True')).length;
  return `${met}/${gates.length}`;
}

export const podTableColumns: readonly Column<Pod>[] = [
  nameColumn,
  column('Ready', (pod) => `${summaryOf(pod).ready}/${summaryOf(pod).total}`),
  column('Status', (pod) => summaryOf(pod).reason),
  { ...countColumn('Restarts', (pod, { nowMs }) => restartsCell(pod, nowMs)), type: 'string' },
  ageColumn,
  wideColumn('IP', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>'),
  wideColumn('Node', (pod) => pod.spec.nodeName || '<none>'),
  wideColumn('Nominated Node', (pod) => pod.status?.nominatedNodeName || '<none>'),
  wideColumn('Readiness Gates', readinessGatesCell),
];

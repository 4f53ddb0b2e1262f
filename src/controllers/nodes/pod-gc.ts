/**
 * Deletes pods that no other controller deletes: pods of deleted and out-of-service nodes, pods deleted before they
 * were placed, and surplus ended pods.
 */

import { disruptionTarget } from '../../api/core/disruption-target.ts';
import { Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { pause } from '../../base/clock.ts';
import { metricsPerRegistry } from '../../base/metrics.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { byCreation } from '../by-creation.ts';
import { isPodTerminal } from '../pods/pod-state.ts';
import { hasOutOfServiceTaint, nodeCondition } from './node-state.ts';

const checkIntervalMs = 20_000;
/** How long a node must have been missing before its pods count as lost. */
const quarantineMs = 40_000;
/** Ended pods beyond this number are removed. */
const endedMaxByDefault = 12_500;

const podGcMetricsOf = metricsPerRegistry((registry) => ({
  deleted: registry.counter(
    'pod_gc_collector_force_delete_pods_total',
    'Number of pods that are being forcefully deleted since the Pod GC Controller started.',
  ),
  failed: registry.counter(
    'pod_gc_collector_force_delete_pod_errors_total',
    'Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.',
  ),
}));

/** As upstream's metrics name them. */
type PodGcReason = 'terminated' | 'orphaned' | 'out-of-service' | 'unscheduled';

export interface PodGcPlan {
  /** Pods to delete at once, with the status to be written first. */
  remove: { pod: Pod; reason: PodGcReason; message?: string }[];
}

/** `lostNodes`: names of nodes that are known to be gone. */
export function planPodGc(
  pods: Iterable<Pod>,
  nodeOf: (name: string) => Node | undefined,
  lostNodes: ReadonlySet<string>,
  endedMax = endedMaxByDefault,
): PodGcPlan {
  const plan: PodGcPlan = { remove: [] };
  const ended: Pod[] = [];
  for (const pod of pods) {
    const node = pod.spec?.nodeName;
    if (isPodTerminal(pod)) ended.push(pod);
    if (node && lostNodes.has(node))
      plan.remove.push({ pod, reason: 'orphaned', message: 'PodGC: node no longer exists' });
    else if (!node && pod.metadata.deletionTimestamp) plan.remove.push({ pod, reason: 'unscheduled' });
    else if (node && pod.metadata.deletionTimestamp && isOutOfService(nodeOf(node)))
      plan.remove.push({ pod, reason: 'out-of-service' });
  }
  const excess = ended.length - endedMax;
  if (excess > 0)
    plan.remove.push(
      ...ended
        .sort(evictedFirst)
        .slice(0, excess)
        .map((pod) => ({ pod, reason: 'terminated' as const })),
    );
  return plan;
}

/** Evicted pods go first, then the oldest. */
function evictedFirst(a: Pod, b: Pod): number {
  const isKept = ({ status }: Pod) => Number(status?.reason !== 'Evicted');
  return isKept(a) - isKept(b) || byCreation(a, b);
}

function isOutOfService(node: Node | undefined): boolean {
  if (!node || nodeCondition(node, 'Ready')?.status === 'True') return false;
  return hasOutOfServiceTaint(node);
}

export async function runPodGc(environment: ControllerEnvironment, signal: AbortSignal): Promise<void> {
  const { informers, clock } = environment;
  const logger = environment.logger.for('pod-gc');
  const [pods, nodes] = [informers.of(Pod), informers.of(Node)];
  await informers.synced();
  const { deleted, failed } = podGcMetricsOf(environment.metrics);
  const missingSince = new Map<string, number>();
  while (!signal.aborted) {
    await pause(clock, checkIntervalMs, signal);
    if (signal.aborted) return;
    try {
      const named = [...pods.list()].flatMap(({ spec }) => spec?.nodeName ?? []);
      const missing = new Set(named.filter((name) => !nodes.get(name)));
      const lost = await findLostNodes(environment, missing, missingSince, signal);
      const { remove } = planPodGc(pods.list(), (name) => nodes.get(name), lost);
      // A pod that cannot be removed does not hold back the others.
      let failure: unknown;
      for (const { pod, reason, message } of remove) {
        const labels = { namespace: pod.metadata.namespace!, reason };
        try {
          await removePod(environment, pod, message, signal);
          deleted.add(1, labels);
        } catch (error) {
          if (signal.aborted) return;
          failed.add(1, labels);
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
    } catch (error) {
      if (!signal.aborted) logger.warn('could not remove pods', { error });
    }
  }
}

/**
 * Of the nodes that the cache lacks: those that have been missing long enough and do not exist on the server either.
 */
async function findLostNodes(
  { client, clock }: ControllerEnvironment,
  missing: ReadonlySet<string>,
  missingSince: Map<string, number>,
  signal: AbortSignal,
): Promise<Set<string>> {
  for (const name of missingSince.keys()) if (!missing.has(name)) missingSince.delete(name);
  const lost = new Set<string>();
  for (const name of missing) {
    const sinceMs = missingSince.get(name) ?? clock.monotonic();
    missingSince.set(name, sinceMs);
    if (clock.monotonic() - sinceMs < quarantineMs) continue;
    // The cache may lag behind: only the server's answer counts.
    if (!(await client.get(Node, { name }, signal).catch(undefinedIfNotFound))) lost.add(name);
  }
  return lost;
}

async function removePod(
  { client, clock }: ControllerEnvironment,
  pod: Pod,
  message: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { uid } = pod.metadata;
  // No kubelet is left to report that the pod ended.
  if (!isPodTerminal(pod)) {
    const now = formatTime(clock.now());
    const conditions = message && [disruptionTarget(pod, { reason: 'DeletionByPodGC', message }, now)];
    const seen = { phase: 'Failed', observedGeneration: pod.metadata.generation };
    const patch = { metadata: { uid }, status: { ...seen, ...(conditions && { conditions }) } };
    await client
      .patch(Pod, pod.metadata, patch, { type: 'strategic', subresource: 'status', signal })
      .catch(undefinedIfNotFound);
  }
  const options = { gracePeriodSeconds: 0, preconditions: { uid }, signal };
  await client.delete(Pod, pod.metadata, options).catch(undefinedIfNotFound);
}

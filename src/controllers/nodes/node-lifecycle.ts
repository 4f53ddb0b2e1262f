/** Node lifecycle: a node that stops reporting becomes Unknown and is tainted, and its pods are marked not ready. */

import { Lease, Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { regionLabel, zoneLabel } from '../../api/well-known.ts';
import type { Clock } from '../../base/clock.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { allAtOnce } from '../pod-control.ts';
import { isPodReady } from '../pod-state.ts';
import { nodeCollectorMetricsOf, zoneLabelOf } from './node-collector-metrics.ts';
import {
  evictionIntervalMs,
  executeTaintKey,
  monitorGraceMs,
  planTaints,
  silentConditions,
  startupGraceMs,
  zoneState,
} from './node-lifecycle-plan.ts';
import { nodeCondition } from './node-state.ts';

const leaseNamespace = 'kube-node-lease';
export const nodeNameIndex = 'node';
export const byNodeName = (pod: Pod): readonly string[] => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);

/** When a node last reported, by this controller's clock: the clocks of nodes cannot be trusted. */
interface Heartbeat {
  atMs: number;
  renewTime: string | undefined;
  status: Node['status'];
  /** The node has missed its deadline, or was given an extension: it gets no other. */
  isOverdue?: boolean;
}

/** A check that is this late says that this process was stopped or starved, and nothing about the node. */
const lateMs = 5_000;
/** How much longer the node then gets to report: two renewals of its lease. */
const wakeGraceMs = 20_000;

export function nodeLifecycleController(clock: Pick<Clock, 'monotonic'>): AnyController {
  const heartbeats = new Map<string, Heartbeat>();
  /** As they were last seen. */
  const known = new Map<string, Node>();
  /** By zone, when a node last began to lose its pods. */
  const evictions = new Map<string, number>();
  const isUnknown = (node: Node | undefined) =>
    node !== undefined && nodeCondition(node, 'Ready')?.status !== 'True';

  return defineController({
    name: 'node_lifecycle_controller',
    component: 'node-controller',
    reconciles: Node,
    watches: [
      // What may happen to one node depends on how many others are in trouble.
      watch(Node, function* (node, old, informers) {
        const readiness = (one: Node | undefined) => one && nodeCondition(one, 'Ready')?.status;
        if (old && old !== node && readiness(old) === readiness(node)) return;
        for (const other of informers.of(Node).list()) if (isUnknown(other)) yield other.metadata.name;
      }),
      // Every renewal is noted; only that of a node considered lost triggers a reconcile.
      watch(Lease, ({ metadata, spec }, _old, informers) => {
        if (metadata.namespace !== leaseNamespace) return [];
        const heartbeat = heartbeats.get(metadata.name);
        const renewTime = spec?.renewTime;
        if (heartbeat && heartbeat.renewTime !== renewTime)
          heartbeats.set(metadata.name, { status: heartbeat.status, renewTime, atMs: clock.monotonic() });
        return isUnknown(informers.of(Node).get(metadata.name)) ? [metadata.name] : [];
      }),
    ],
    reads: [Pod],
    metrics: nodeCollectorMetricsOf,
    async reconcile(name, cluster, signal) {
      const node = cluster.get(Node, name);
      const last = known.get(name);
      if (!node) {
        if (last) recordEvent(cluster, last, 'RemovingNode', `Removing Node ${name} from Controller`);
        known.delete(name);
        heartbeats.delete(name);
        return;
      }
      if (!last) recordEvent(cluster, node, 'RegisteredNode', `Registered Node ${name} in Controller`);
      known.set(name, node);
      nodeCollectorMetricsOf(cluster.metrics).source.nodes = () => cluster.informer(Node).list();
      const silence = listen(cluster, heartbeats, node);
      const labelled = await keepOldLabels(cluster, node, signal);
      const current = silence.isSilent ? await markSilent(cluster, labelled, signal) : labelled;
      const wait = await taint(cluster, current, evictions, signal);
      if (nodeCondition(current, 'Ready')?.status !== 'True')
        await markPodsNotReady(cluster, current, signal);
      const times = [silence.isSilent ? undefined : silence.nextCheckMs, wait].filter(
        (ms) => ms !== undefined,
      );
      return times.length > 0 ? { requeueAfterMs: Math.min(...times) } : undefined;
    },
  });
}

function recordEvent(cluster: ReconcileCluster, node: Node, reason: string, what: string): void {
  cluster.event(targetOf(Node, node), 'Normal', reason, `Node ${node.metadata.name} event: ${what}`);
}

/** Older manifests still select nodes by these. */
const oldLabels = {
  'kubernetes.io/os': 'beta.kubernetes.io/os',
  'kubernetes.io/arch': 'beta.kubernetes.io/arch',
};

/** The node, whose old labels now have the values of the labels that replaced them. */
async function keepOldLabels(cluster: ReconcileCluster, node: Node, signal: AbortSignal): Promise<Node> {
  const { labels = {} } = node.metadata;
  const missing = Object.entries(oldLabels).filter(
    ([label, old]) => labels[label] !== undefined && labels[old] !== labels[label],
  );
  if (missing.length === 0) return node;
  const wanted = Object.fromEntries(missing.map(([label, old]) => [old, labels[label]]));
  return await cluster.patch(Node, node, { metadata: { labels: wanted } }, { type: 'merge', signal });
}

function listen(
  cluster: ReconcileCluster,
  heartbeats: Map<string, Heartbeat>,
  node: Node,
): { isSilent: boolean; nextCheckMs: number } {
  const { name } = node.metadata;
  const nowMs = cluster.clock.monotonic();
  const renewTime = cluster.get(Lease, `${leaseNamespace}/${name}`)?.spec?.renewTime;
  let heartbeat = heartbeats.get(name);
  const isNewStatus = !sameHeartbeats(heartbeat?.status, node.status);
  if (!heartbeat || heartbeat.renewTime !== renewTime || isNewStatus) {
    heartbeat = { atMs: nowMs, renewTime, status: node.status };
    heartbeats.set(name, heartbeat);
  }
  const graceMs = nodeCondition(node, 'Ready') ? monitorGraceMs : startupGraceMs;
  const leftMs = heartbeat.atMs + graceMs - nowMs;
  if (leftMs > 0) return { isSilent: false, nextCheckMs: leftMs };
  const isLate = leftMs < -lateMs && !heartbeat.isOverdue;
  const atMs = isLate ? nowMs - graceMs + wakeGraceMs : heartbeat.atMs;
  heartbeats.set(name, { ...heartbeat, atMs, isOverdue: true });
  return { isSilent: !isLate, nextCheckMs: wakeGraceMs };
}

/**
 * Only a kubelet writes heartbeat times: changes by other writers, above all by this controller, are no sign of life.
 */
function sameHeartbeats(a: Node['status'], b: Node['status']): boolean {
  const text = (status: Node['status']) =>
    status?.conditions?.map((condition) => `${condition.type} ${condition.lastHeartbeatTime}`).join();
  return a === b || text(a) === text(b);
}

async function markSilent(cluster: ReconcileCluster, node: Node, signal: AbortSignal): Promise<Node> {
  const conditions = silentConditions(node, formatTime(cluster.clock.now()));
  if (!conditions) return node;
  const wasReady = nodeCondition(node, 'Ready')?.status === 'True';
  const updated = await cluster.updateStatus(Node, node, { ...node.status, conditions }, signal);
  if (wasReady) {
    const message = `Node ${node.metadata.name} status is now: NodeNotReady`;
    cluster.event(targetOf(Node, node), 'Normal', 'NodeNotReady', message);
  }
  return updated;
}

/** Returns the time after which to try again, when the node must wait its turn to lose its pods. */
async function taint(
  cluster: ReconcileCluster,
  node: Node,
  evictions: Map<string, number>,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { mayEvict, waitMs, zone } = evictionTurn(cluster, node, evictions);
  const taints = planTaints(node, mayEvict, formatTime(cluster.clock.now()));
  if (taints) {
    if (mayEvict === 'yes') evictions.set(zone, cluster.clock.monotonic());
    await cluster.update(Node, { ...node, spec: { ...node.spec, taints } }, signal);
    if (mayEvict === 'yes')
      nodeCollectorMetricsOf(cluster.metrics).evictions.add(1, { zone: zoneLabelOf(node) });
  }
  return waitMs;
}

function evictionTurn(
  cluster: ReconcileCluster,
  node: Node,
  evictions: ReadonlyMap<string, number>,
): { mayEvict: 'yes' | 'no' | 'withdraw'; waitMs?: number; zone: string } {
  const zone = zoneOf(node);
  const key = executeTaintKey(node);
  const hasTaint = node.spec?.taints?.some((one) => one.effect === 'NoExecute' && one.key === key) ?? false;
  if (!key) return { mayEvict: 'no', zone };
  const counts = new Map<string, { ready: number; notReady: number }>();
  for (const listed of cluster.informer(Node).list()) {
    const one = listed.metadata.name === node.metadata.name ? node : listed;
    const count = counts.get(zoneOf(one)) ?? { ready: 0, notReady: 0 };
    if (nodeCondition(one, 'Ready')?.status === 'True') count.ready++;
    else count.notReady++;
    counts.set(zoneOf(one), count);
  }
  const states = [...counts.values()].map(({ ready, notReady }) => zoneState(ready, notReady));
  // No node is heard from: it is this side that is cut off.
  if (states.every((state) => state === 'full')) return { mayEvict: 'withdraw', zone };
  if (hasTaint) return { mayEvict: 'no', zone };
  const { ready, notReady } = counts.get(zone)!;
  const intervalMs = evictionIntervalMs(zoneState(ready, notReady), ready + notReady);
  if (intervalMs === undefined) return { mayEvict: 'no', waitMs: monitorGraceMs, zone };
  const last = evictions.get(zone);
  const waitMs = last === undefined ? 0 : last + intervalMs - cluster.clock.monotonic();
  return waitMs > 0 ? { mayEvict: 'no', waitMs, zone } : { mayEvict: 'yes', zone };
}

function zoneOf(node: Node): string {
  const { labels } = node.metadata;
  return `${labels?.[regionLabel] ?? ''}:${labels?.[zoneLabel] ?? ''}`;
}

/** Services must not send traffic to pods of a node that does not report. */
async function markPodsNotReady(cluster: ReconcileCluster, node: Node, signal: AbortSignal): Promise<void> {
  const pods = cluster.informer(Pod);
  pods.addIndex(nodeNameIndex, byNodeName);
  const now = formatTime(cluster.clock.now());
  const ready = [...pods.byIndex(nodeNameIndex, node.metadata.name)].filter(isPodReady);
  const { failure } = await allAtOnce(ready, async (pod) => {
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: now };
    const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
    await cluster
      .patch(Pod, pod, patch, { type: 'strategic', subresource: 'status', signal })
      .catch(undefinedIfNotFound);
    cluster.event(targetOf(Pod, pod), 'Warning', 'NodeNotReady', 'Node is not ready');
  });
  if (failure !== undefined) throw failure;
}

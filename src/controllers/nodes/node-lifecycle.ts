/** Node lifecycle: a node that stops reporting becomes Unknown and is tainted, and its pods are marked not ready. */

import { Lease, Node, Pod } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import { leastOf } from '../../base/least-of.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { allAtOnce } from '../batches.ts';
import { isPodReady } from '../pods/pod-state.ts';
import { nodeCollectorMetricsOf, zoneLabelOf } from './node-collector-metrics.ts';
import { type Heartbeat, listenTo } from './node-heartbeat.ts';
import {
  missingOldLabels,
  planEvictionTurn,
  planTaints,
  silentConditions,
  zoneOf,
} from './node-lifecycle-plan.ts';
import { nodeCondition } from './node-state.ts';

const leaseNamespace = 'kube-node-lease';
export const nodeNameIndex = 'node';
export const byNodeName = (pod: Pod): readonly string[] => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);

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
      const renewTime = cluster.get(Lease, `${leaseNamespace}/${name}`)?.spec?.renewTime;
      const silence = listenTo(node, renewTime, heartbeats.get(name), cluster.clock.monotonic());
      heartbeats.set(name, silence.heartbeat);
      const labelled = await keepOldLabels(cluster, node, signal);
      const current = silence.isSilent ? await markSilent(cluster, labelled, signal) : labelled;
      const wait = await taint(cluster, current, evictions, signal);
      // A node that says itself that it is not ready says it of its pods, too.
      if (nodeCondition(current, 'Ready')?.status === 'Unknown')
        await markPodsNotReady(cluster, current, signal);
      return { requeueAfterMs: leastOf(silence.isSilent ? undefined : silence.nextCheckMs, wait) };
    },
  });
}

function recordEvent(cluster: ReconcileCluster, node: Node, reason: string, what: string): void {
  cluster.event(targetOf(Node, node), 'Normal', reason, `Node ${node.metadata.name} event: ${what}`);
}

/** The node, whose old labels now have the values of the labels that replaced them. */
async function keepOldLabels(cluster: ReconcileCluster, node: Node, signal: AbortSignal): Promise<Node> {
  const labels = missingOldLabels(node);
  if (!labels) return node;
  return await cluster.patch(Node, node, { metadata: { labels } }, { type: 'merge', signal });
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
  const zone = zoneOf(node);
  const nowMs = cluster.clock.monotonic();
  const { mayEvict, waitMs } = planEvictionTurn(node, cluster.informer(Node).list(), {
    lastMs: evictions.get(zone),
    nowMs,
  });
  const taints = planTaints(node, mayEvict, formatTime(cluster.clock.now()));
  if (taints) {
    if (mayEvict === 'yes') evictions.set(zone, nowMs);
    await cluster.update(Node, { ...node, spec: { ...node.spec, taints } }, signal);
    if (mayEvict === 'yes')
      nodeCollectorMetricsOf(cluster.metrics).evictions.add(1, { zone: zoneLabelOf(node) });
  }
  return waitMs;
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

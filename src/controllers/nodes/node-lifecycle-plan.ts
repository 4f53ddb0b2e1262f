/** What a node's silence and conditions mean: its conditions and taints, and how fast pods may be evicted. */
import type { Node } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import {
  architectureLabel,
  firstArchitectureLabel,
  firstOsLabel,
  nodeTaints,
  osLabel,
  regionLabel,
  zoneLabel,
} from '../../api/well-known.ts';
import { monitorGraceMs } from './node-heartbeat.ts';
import { nodeCondition } from './node-state.ts';

const watchedConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The conditions of a node that has fallen silent; undefined when it already has them. */
export function silentConditions(node: Node, now: string): core.NodeCondition[] | undefined {
  const conditions = [...(node.status?.conditions ?? [])];
  let hasChanged = false;
  for (const type of watchedConditions) {
    const index = conditions.findIndex((condition) => condition.type === type);
    const old = conditions[index];
    if (old?.status === 'Unknown') continue;
    hasChanged = true;
    if (old) {
      conditions[index] = {
        ...old,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: now,
      };
    } else {
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastHeartbeatTime: node.metadata.creationTimestamp,
        lastTransitionTime: now,
      });
    }
  }
  return hasChanged ? conditions : undefined;
}

/** Older manifests still select nodes by these. */
const oldLabels = { [osLabel]: firstOsLabel, [architectureLabel]: firstArchitectureLabel };

/** Old labels that should have the values of the labels that replaced them; undefined when they have. */
export function missingOldLabels({ metadata: { labels = {} } }: Node): Record<string, string> | undefined {
  const missing = Object.entries(oldLabels).flatMap(([label, old]) =>
    labels[label] !== undefined && labels[old] !== labels[label] ? [[old, labels[label]]] : [],
  );
  return missing.length > 0 ? Object.fromEntries(missing) : undefined;
}

const { notReady, unreachable, unschedulable } = nodeTaints;
const conditionTaints: readonly [type: string, status: string, key: string][] = [
  ['Ready', 'False', notReady],
  ['Ready', 'Unknown', unreachable],
  ['MemoryPressure', 'True', nodeTaints.memoryPressure],
  ['DiskPressure', 'True', nodeTaints.diskPressure],
  ['NetworkUnavailable', 'True', nodeTaints.networkUnavailable],
  ['PIDPressure', 'True', nodeTaints.pidPressure],
];
const ownNoSchedule = new Set<string>([...conditionTaints.map(([, , key]) => key), unschedulable]);
const ownNoExecute = new Set<string>([notReady, unreachable]);

/** The NoExecute taint that follows from the node's readiness; undefined for a ready node. */
function executeTaintKey(node: Node): string | undefined {
  const status = nodeCondition(node, 'Ready')?.status;
  if (status === 'False') return notReady;
  return status === 'Unknown' ? unreachable : undefined;
}

/**
 * The taints that the node should have. `mayEvict`: whether a NoExecute taint may be added now; one that stands for
 * another state is replaced in any case. Undefined when nothing changes.
 */
export function planTaints(node: Node, mayEvict: MayEvict, now: string): core.Taint[] | undefined {
  const wanted = new Set<string>();
  for (const [type, status, key] of conditionTaints)
    if (nodeCondition(node, type)?.status === status) wanted.add(`${key} NoSchedule`);
  if (node.spec?.unschedulable) wanted.add(`${unschedulable} NoSchedule`);
  const present = node.spec?.taints ?? [];
  const execute = executeTaintKey(node);
  const isEvicting = present.some((taint) => taint.effect === 'NoExecute' && ownNoExecute.has(taint.key));
  if (execute && mayEvict !== 'withdraw' && (mayEvict === 'yes' || isEvicting))
    wanted.add(`${execute} NoExecute`);

  const isOwn = ({ key, effect }: core.Taint) =>
    effect === 'NoSchedule' ? ownNoSchedule.has(key) : effect === 'NoExecute' && ownNoExecute.has(key);
  const nameOf = ({ key, effect }: core.Taint) => `${key} ${effect}`;
  const kept = present.filter((taint) => !isOwn(taint) || wanted.has(nameOf(taint)));
  const added = [...wanted]
    .filter((name) => !present.some((taint) => nameOf(taint) === name))
    .map((name): core.Taint => {
      const [key = '', effect = ''] = name.split(' ');
      return { key, effect: effect as core.Taint['effect'], timeAdded: now };
    });
  return added.length === 0 && kept.length === present.length ? undefined : [...kept, ...added];
}

export type ZoneState = 'normal' | 'partial' | 'full';

/** When most nodes of a zone are in trouble, the zone is more likely cut off than full of broken machines. */
export function zoneState(ready: number, notReady: number): ZoneState {
  if (ready === 0 && notReady > 0) return 'full';
  if (notReady > 2 && notReady / (notReady + ready) >= 0.55) return 'partial';
  return 'normal';
}

/** The shortest time between two nodes of a zone that begin to lose their pods; undefined: none may. */
export function evictionIntervalMs(state: ZoneState, zoneSize: number): number | undefined {
  const largeZone = 50;
  if (state !== 'partial') return 10_000;
  return zoneSize > largeZone ? 100_000 : undefined;
}

/** Whether a node may lose its pods now, or a node that is losing them is to keep the rest. */
export type MayEvict = 'yes' | 'no' | 'withdraw';

/**
 * Whether it is the node's turn, by the state of the nodes of all zones. `lastMs`: when a node of its zone last began to
 * lose its pods. `waitMs`: when to look again.
 */
export function planEvictionTurn(
  node: Node,
  all: Iterable<Node>,
  { lastMs, nowMs }: { lastMs: number | undefined; nowMs: number },
): { mayEvict: MayEvict; waitMs?: number } {
  const key = executeTaintKey(node);
  if (!key) return { mayEvict: 'no' };
  const counts = new Map<string, { ready: number; notReady: number }>();
  for (const listed of all) {
    const one = listed.metadata.name === node.metadata.name ? node : listed;
    const count = counts.get(zoneOf(one)) ?? { ready: 0, notReady: 0 };
    if (nodeCondition(one, 'Ready')?.status === 'True') count.ready++;
    else count.notReady++;
    counts.set(zoneOf(one), count);
  }
  const states = [...counts.values()].map(({ ready, notReady }) => zoneState(ready, notReady));
  // No node is heard from: it is this side that is cut off.
  if (states.every((state) => state === 'full')) return { mayEvict: 'withdraw' };
  const hasTaint = node.spec?.taints?.some((one) => one.effect === 'NoExecute' && one.key === key);
  if (hasTaint) return { mayEvict: 'no' };
  const { ready, notReady } = counts.get(zoneOf(node)) ?? { ready: 0, notReady: 1 };
  const intervalMs = evictionIntervalMs(zoneState(ready, notReady), ready + notReady);
  if (intervalMs === undefined) return { mayEvict: 'no', waitMs: monitorGraceMs };
  const waitMs = lastMs === undefined ? 0 : lastMs + intervalMs - nowMs;
  return waitMs > 0 ? { mayEvict: 'no', waitMs } : { mayEvict: 'yes' };
}

export function zoneOf(node: Node): string {
  const { labels } = node.metadata;
  return `${labels?.[regionLabel] ?? ''}:${labels?.[zoneLabel] ?? ''}`;
}

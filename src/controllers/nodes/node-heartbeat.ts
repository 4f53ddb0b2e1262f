/** When a node counts as silent: it reports by its status and by renewing its lease. Decides; never acts. */
import type { Node } from '../../api/resources.gen.ts';
import { nodeCondition } from './node-state.ts';

/** A node that has been silent for this long is Unknown. */
export const monitorGraceMs = 40_000;
/** The same for a node that has never reported anything. */
const startupGraceMs = 60_000;

/** A check that is this late says that this process was stopped or starved, and nothing about the node. */
const lateMs = 5_000;
/** How much longer the node then gets to report: two renewals of its lease. */
const wakeGraceMs = 20_000;

/** When a node last reported, by this controller's clock: the clocks of nodes cannot be trusted. */
export interface Heartbeat {
  atMs: number;
  renewTime: string | undefined;
  status: Node['status'];
  /** The node has missed its deadline, or was given an extension: it gets no other. */
  isOverdue?: boolean;
}

export interface Listened {
  /** To be passed on to the next check. */
  heartbeat: Heartbeat;
  isSilent: boolean;
  nextCheckMs: number;
}

/** `last`: of the last check. `renewTime`: that the node's lease has now. */
export function listenTo(
  node: Node,
  renewTime: string | undefined,
  last: Heartbeat | undefined,
  nowMs: number,
): Listened {
  const isOld = last && last.renewTime === renewTime && sameHeartbeats(last.status, node.status);
  const heartbeat = isOld ? last : { atMs: nowMs, renewTime, status: node.status };
  const graceMs = nodeCondition(node, 'Ready') ? monitorGraceMs : startupGraceMs;
  const leftMs = heartbeat.atMs + graceMs - nowMs;
  if (leftMs > 0) return { heartbeat, isSilent: false, nextCheckMs: leftMs };
  const isLate = leftMs < -lateMs && !heartbeat.isOverdue;
  const atMs = isLate ? nowMs - graceMs + wakeGraceMs : heartbeat.atMs;
  return { heartbeat: { ...heartbeat, atMs, isOverdue: true }, isSilent: !isLate, nextCheckMs: wakeGraceMs };
}

/**
 * Only a kubelet writes heartbeat times: changes by other writers, above all by this controller, are no sign of life.
 */
function sameHeartbeats(a: Node['status'], b: Node['status']): boolean {
  const text = (status: Node['status']) =>
    status?.conditions?.map((condition) => `${condition.type} ${condition.lastHeartbeatTime}`).join();
  return a === b || text(a) === text(b);
}

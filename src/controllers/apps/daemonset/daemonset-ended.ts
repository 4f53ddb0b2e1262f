/** When daemon pods that have ended are replaced: where they fail again and again, later each time. Decides; never acts. */

import type { Pod } from '../../../api/resources.gen.ts';
import { backoffDelayMs } from '../../../base/async/backoff.ts';
import { leastOf } from '../../../base/least-of.ts';
import { targetNodeOf } from './daemonset-plan.ts';

const failedPodBackoff = { firstMs: 1_000, maxMs: 15 * 60_000 };

/** How often pods of a set have failed on a node, and until when the next is not replaced. */
export interface NodeFailures {
  count: number;
  untilMs: number;
}

export interface EndedPlan {
  remove: Pod[];
  events: { type: 'Normal' | 'Warning'; reason: string; message: string }[];
  /** To be remembered, by node. */
  failed: Map<string, NodeFailures>;
  /** The time until the next may be replaced. */
  retryInMs: number | undefined;
}

/** `nowMs`: of the monotonic clock. */
export function planEnded(
  ended: readonly Pod[],
  failuresOn: (node: string) => NodeFailures | undefined,
  nowMs: number,
): EndedPlan {
  const plan: EndedPlan = { remove: [], events: [], failed: new Map(), retryInMs: undefined };
  for (const pod of ended) {
    const { namespace, name } = pod.metadata;
    const node = targetNodeOf(pod) ?? '';
    const place = `${namespace}/${name} on node ${node}`;
    if (pod.status?.phase === 'Succeeded') {
      const message = `Found succeeded daemon pod ${place}, will try to delete it`;
      plan.events.push({ type: 'Normal', reason: 'SucceededDaemonPod', message });
      plan.remove.push(pod);
      continue;
    }
    const past = plan.failed.get(node) ?? failuresOn(node);
    if (past && past.untilMs > nowMs) {
      plan.retryInMs = leastOf(plan.retryInMs, past.untilMs - nowMs);
      continue;
    }
    const count = (past?.count ?? 0) + 1;
    plan.failed.set(node, { count, untilMs: nowMs + backoffDelayMs(failedPodBackoff, count - 1) });
    const message = `Found failed daemon pod ${place}, will try to kill it`;
    plan.events.push({ type: 'Warning', reason: 'FailedDaemonPod', message });
    plan.remove.push(pod);
  }
  return plan;
}

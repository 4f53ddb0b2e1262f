/** Which changes in the cluster are worth another attempt: asked of the plugins that refused the pod. */
import type { Pod } from '../../api/resources.gen.ts';
import type { ClusterEvent } from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';
import { isLessOfAny } from '../framework/resources.ts';
import type { QueuedPod } from './queued-pod.ts';

/** Whether the plugin that refused the pod considers the change helpful. */
export function helps(queued: QueuedPod, pluginName: string, event: ClusterEvent): boolean {
  // Without a plugin to ask, there were no nodes at all.
  if (pluginName === '') return event.resource === 'Node' && event.change === 'add';
  for (const rule of queued.profile.retryRules.get(pluginName) ?? [])
    if (rule.resource === event.resource && rule.changes.includes(event.change))
      if (rule.helps?.(queued.info, event) ?? true) return true;
  return false;
}

/** What an update of a waiting pod may change about its chances. */
export function changesOfTarget(before: PodInfo, after: PodInfo): ClusterEvent[] {
  const [old, current] = [before.pod, after.pod];
  const differs = (pick: (pod: Pod) => unknown) =>
    JSON.stringify(pick(old)) !== JSON.stringify(pick(current));
  const events: ClusterEvent[] = [];
  const add = (change: ClusterEvent['change']) =>
    events.push({ resource: 'TargetPod', change, old, current });
  if (differs((pod) => pod.metadata.labels)) add('labels');
  if (differs((pod) => pod.spec?.tolerations)) add('tolerations');
  if (differs((pod) => pod.spec?.schedulingGates)) add('schedulingGates');
  if (differs(({ status }) => [status?.resourceClaimStatuses, status?.extendedResourceClaimStatus]))
    add('resourceClaims');
  if (isLessOfAny(after.requests, before.requests)) add('scaleDown');
  return events;
}

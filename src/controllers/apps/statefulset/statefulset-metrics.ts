/** `maxUnavailable` and unavailable replicas of StatefulSets, under upstream's names. */
import type { Pod, StatefulSet } from '../../../api/resources.gen.ts';
import { type MetricsRegistry, metricsPerRegistry } from '../../../base/metrics.ts';
import { countUnavailable, maxUnavailableOf } from './statefulset-plan.ts';

const prefix = 'statefulset_controller_statefulset';

export const statefulSetMetricsOf = metricsPerRegistry((registry) => ({
  maxUnavailable: registry.gauge(
    `${prefix}_max_unavailable`,
    'Maximum number of unavailable pods allowed during StatefulSet rolling updates',
  ),
  unavailable: registry.gauge(
    `${prefix}_unavailable_replicas`,
    'Current number of unavailable pods in StatefulSet',
  ),
}));

/** Sets whose pods are updated only by hand have no series. */
export function noteStatefulSet(
  registry: MetricsRegistry | undefined,
  set: StatefulSet,
  pods: readonly Pod[],
  nowMs: number,
): void {
  const { maxUnavailable, unavailable } = statefulSetMetricsOf(registry);
  const { namespace = '', name } = set.metadata;
  const { podManagementPolicy = 'OrderedReady', updateStrategy } = set.spec!;
  if (updateStrategy?.type === 'OnDelete') return;
  const labels = labelsOf(namespace, name, podManagementPolicy);
  maxUnavailable.set(maxUnavailableOf(set), labels);
  unavailable.set(countUnavailable(set, pods, nowMs), labels);
}

export function forgetStatefulSet(registry: MetricsRegistry | undefined, key: string): void {
  const { maxUnavailable, unavailable } = statefulSetMetricsOf(registry);
  const [namespace = '', name = ''] = key.split('/');
  for (const policy of ['OrderedReady', 'Parallel'])
    for (const gauge of [maxUnavailable, unavailable]) gauge.remove(labelsOf(namespace, name, policy));
}

function labelsOf(namespace: string, name: string, policy: string): Record<string, string> {
  return { statefulset_namespace: namespace, statefulset_name: name, pod_management_policy: policy };
}

/** The resources of a whole pod in its status: those allocated to it, and those in effect. Pure. */
import {
  computePodLimits,
  computePodRequests,
  exactAmounts,
  numericAmounts,
} from '../../../api/quantities/pod-resources.ts';
import { formatQuantity, type Quantity } from '../../../api/quantities/quantity.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { boundedTotal } from '../../resources/cgroup-resources.ts';
import type { Phase } from './pod-phase.ts';

/** The minimum CPU shares of a group: a request this small counts as none. */
const cpuMinMilli = 2;

/**
 * `granted`: the pod with what the node has reserved for it; `inForce`: with what its containers have. Until it runs,
 * that is everything it asks for; then it is what its control group says.
 */
export function podResourcesStatus(
  granted: Pod,
  inForce: Pod,
  phase: Phase,
): Pick<core.PodStatus, 'resources' | 'allocatedResources'> {
  const requests = amountsOf(computePodRequests(granted, exactAmounts));
  return {
    resources: phase === 'Running' ? groupResources(inForce) : askedFor(granted),
    ...(requests && { allocatedResources: requests }),
  };
}

function askedFor(pod: Pod): core.ResourceRequirements {
  const requests = amountsOf(computePodRequests(pod, exactAmounts));
  const limits = amountsOf(computePodLimits(pod, exactAmounts));
  return { ...pod.spec.resources, ...(requests && { requests }), ...(limits && { limits }) };
}

/** A group has a limit if the pod or each of its containers has one. */
function groupResources(pod: Pod): core.ResourceRequirements {
  const total = computePodRequests(pod, exactAmounts);
  const hasCpu = (computePodRequests(pod, numericAmounts).get('cpu') ?? 0) > cpuMinMilli;
  const limits = computePodLimits(pod, exactAmounts);
  const grouped = ['cpu', 'memory'] as const;
  const requests = {
    ...pod.spec.resources?.requests,
    ...amountsOf(
      total,
      grouped.filter((name) => name !== 'cpu' || hasCpu),
    ),
  };
  const bounds = {
    ...pod.spec.resources?.limits,
    ...amountsOf(
      limits,
      grouped.filter((name) => boundedTotal(pod, name) !== undefined),
    ),
  };
  return {
    ...(Object.keys(requests).length > 0 && { requests }),
    ...(Object.keys(bounds).length > 0 && { limits: bounds }),
  };
}

/** Undefined: there are none. */
function amountsOf(
  amounts: ReadonlyMap<string, Quantity>,
  names: Iterable<string> = amounts.keys(),
): Record<string, string> | undefined {
  const found = [...names].flatMap((name) => {
    const amount = amounts.get(name);
    return amount ? [[name, formatQuantity(amount)] as const] : [];
  });
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}

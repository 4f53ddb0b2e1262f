/** Whether the node can give a running pod the resources that it asks for by now, and the pod as it stands until then. Pure. */
import { computePodRequests, numericAmounts } from '../api/pod-resources.ts';
import type { Pod } from '../api/resources.gen.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import { type AdmissionInputs, refuseResources } from './node/admission.ts';

/** Infeasible: never on this node; Deferred: once others have gone. */
export interface ResizeProblem {
  reason: 'Infeasible' | 'Deferred';
  message: string;
}

/** Later ones win, as upstream has it. */
const resizable = ['cpu', 'memory'] as const;

export function findResizeProblem(
  pod: Pod,
  inputs: Pick<AdmissionInputs, 'allocatable' | 'others'>,
): ResizeProblem | undefined {
  const requests = computePodRequests(pod, numericAmounts);
  let infeasible: string | undefined;
  for (const name of resizable) {
    const requested = requests.get(name) ?? 0;
    const capacity = numericAmounts.parse(name, inputs.allocatable[name] ?? '0');
    if (requested > capacity)
      infeasible = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
  }
  if (infeasible !== undefined) return { reason: 'Infeasible', message: infeasible };
  const refusal = refuseResources(pod, inputs);
  return refusal && { reason: 'Deferred', message: refusal.message };
}

/** The pod with what was granted to its containers instead of what they ask for. */
export function withResources(pod: Pod, granted: ReadonlyMap<string, core.ResourceRequirements>): Pod {
  const grant = <C extends core.Container>(container: C): C => {
    const resources = granted.get(container.name);
    return resources === undefined ? container : { ...container, resources };
  };
  const { containers, initContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(grant),
      ...(initContainers && { initContainers: initContainers.map(grant) }),
    },
  };
}

export function sameResources(a: core.ResourceRequirements = {}, b: core.ResourceRequirements = {}): boolean {
  return sameAmounts(a.requests, b.requests) && sameAmounts(a.limits, b.limits);
}

function sameAmounts(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Which resources a changed pod asks for in place of those that it asked for before, as upstream counts them. Pure. */
import { isSidecar } from '../../api/core/pod/sidecars.ts';
import { tryParseQuantity } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';

export interface RequestedResize {
  resource: 'cpu' | 'memory';
  requirement: 'requests' | 'limits';
  operation: 'add' | 'remove' | 'increase' | 'decrease';
}

/** For each container and resource on its own. */
export function requestedResizes(before: Pod, pod: Pod): RequestedResize[] {
  const earlier = new Map(resizableOf(before).map((container) => [container.name, container.resources]));
  return resizableOf(pod).flatMap(({ name, resources }) =>
    (['memory', 'cpu'] as const).flatMap((resource) =>
      (['requests', 'limits'] as const).flatMap((requirement) => {
        const was = nanosOf(earlier.get(name)?.[requirement]?.[resource]);
        const operation = operationOf(was, nanosOf(resources?.[requirement]?.[resource]));
        return operation ? [{ resource, requirement, operation }] : [];
      }),
    ),
  );
}

function resizableOf({ spec }: Pod) {
  return [...(spec.initContainers ?? []).filter(isSidecar), ...spec.containers];
}

/** None is as little as zero. */
function nanosOf(amount: string | undefined): bigint {
  return tryParseQuantity(amount)?.nanos ?? 0n;
}

function operationOf(was: bigint, is: bigint): RequestedResize['operation'] | undefined {
  if (was === is) return undefined;
  if (was === 0n) return 'add';
  if (is === 0n) return 'remove';
  return is > was ? 'increase' : 'decrease';
}

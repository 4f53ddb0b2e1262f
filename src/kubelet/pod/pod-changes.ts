/** Which changes of a pod's object require work on its node. Pure. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';

/** False for the echo of the node's own status writes. */
export function needsSync(before: Pod, after: Pod): boolean {
  const a = before.metadata;
  const b = after.metadata;
  return (
    a.generation === undefined ||
    a.generation !== b.generation ||
    a.deletionTimestamp !== b.deletionTimestamp ||
    a.deletionGracePeriodSeconds !== b.deletionGracePeriodSeconds ||
    a.finalizers?.length !== b.finalizers?.length ||
    !sameMaps(a.labels, b.labels) ||
    !sameMaps(a.annotations, b.annotations) ||
    // Conditions set by others affect readiness.
    (after.spec.readinessGates?.length ?? 0) > 0
  );
}

/** Containers whose image changed. */
export function changedImages(before: Pod, after: Pod): string[] {
  const old = new Map(startable(before).map(({ name, image }) => [name, image]));
  return startable(after)
    .filter(({ name, image }) => old.has(name) && old.get(name) !== image)
    .map(({ name }) => name);
}

function startable(pod: Pod): core.Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

function sameMaps(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

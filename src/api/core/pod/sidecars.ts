/** Sidecars: init containers that run for as long as the pod. */
import type { Container, PodSpec } from '../../types/core-v1.gen.ts';

export function isSidecar({ restartPolicy }: Pick<Container, 'restartPolicy'>): boolean {
  return restartPolicy === 'Always';
}

/** For statuses, which have a container's name only. */
export function sidecarNames(spec: Pick<PodSpec, 'initContainers'> | undefined): ReadonlySet<string> {
  return new Set(spec?.initContainers?.filter(isSidecar).map(({ name }) => name));
}

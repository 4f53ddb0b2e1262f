/** The AppArmor profiles that a pod asks for: in fields, or in annotations as before 1.30. Pure. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';

const annotationPrefix = 'container.apparmor.security.beta.kubernetes.io/';
const localhostPrefix = 'localhost/';

/** Undefined: the runtime's choice. */
export function appArmorProfileOf(
  { spec, metadata }: Pod,
  container: Pick<core.Container, 'name' | 'securityContext'>,
): core.AppArmorProfile | undefined {
  return (
    container.securityContext?.appArmorProfile ??
    annotatedProfile(metadata.annotations?.[annotationPrefix + container.name]) ??
    spec.securityContext?.appArmorProfile
  );
}

function annotatedProfile(value: string | undefined): core.AppArmorProfile | undefined {
  if (value === 'runtime/default') return { type: 'RuntimeDefault' };
  if (value === 'unconfined') return { type: 'Unconfined' };
  if (!value?.startsWith(localhostPrefix)) return undefined;
  return { type: 'Localhost', localhostProfile: value.slice(localhostPrefix.length) };
}

/** Whether any container, or the pod, asks to be confined. */
export function needsAppArmor({ spec, metadata }: Pod): boolean {
  const owners: { securityContext?: core.SecurityContext | core.PodSecurityContext }[] = [
    spec,
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...((spec.ephemeralContainers ?? []) as core.Container[]),
  ];
  const confines = (type: string | undefined) => type !== undefined && type !== 'Unconfined';
  return (
    owners.some(({ securityContext }) => confines(securityContext?.appArmorProfile?.type)) ||
    Object.entries(metadata.annotations ?? {}).some(
      ([key, value]) => key.startsWith(annotationPrefix) && value !== 'unconfined',
    )
  );
}

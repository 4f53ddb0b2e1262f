/** Whether mounts below a read-only volume are read-only too. */
import type { VolumeMount } from '../../api/types/core-v1.gen.ts';
import { ContainerConfigError } from './environment.ts';

interface RuntimeSupport {
  isSupported: boolean;
}

/** @throws ContainerConfigError in upstream's words */
export function isRecursivelyReadOnly(mount: VolumeMount, { isSupported }: RuntimeSupport): boolean {
  const { recursiveReadOnly = 'Disabled', mountPropagation = 'None' } = mount;
  if (recursiveReadOnly === 'Disabled') return false;
  if (!mount.readOnly) throw problem(mount, 'it is not read-only');
  if (mountPropagation !== 'None')
    throw problem(mount, `it is not compatible with propagation "${mountPropagation}"`);
  if (recursiveReadOnly === 'Enabled' && !isSupported)
    throw problem(mount, 'it is not supported by the runtime');
  return isSupported;
}

/** As shown in the status of a container. */
export function recursiveReadOnlyStatus(mount: VolumeMount, runtime: RuntimeSupport): 'Enabled' | 'Disabled' {
  try {
    return isRecursivelyReadOnly(mount, runtime) ? 'Enabled' : 'Disabled';
  } catch (error) {
    if (error instanceof ContainerConfigError) return 'Disabled';
    throw error;
  }
}

function problem({ name }: VolumeMount, why: string): ContainerConfigError {
  return new ContainerConfigError(
    `failed to resolve recursive read-only mode: volume "${name}" requested recursive read-only mode, but ${why}`,
  );
}

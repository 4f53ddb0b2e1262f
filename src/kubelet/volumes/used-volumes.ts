/** The volumes that a pod's containers use: no others are made ready. */
import type { Pod } from '../../api/resources.gen.ts';

export interface VolumesUsed {
  /** By name, as file systems. */
  mounted: ReadonlySet<string>;
  /** By name, as block devices. */
  mapped: ReadonlySet<string>;
}

export function volumesUsed({ spec }: Pick<Pod, 'spec'>): VolumesUsed {
  const mounted = new Set<string>();
  const mapped = new Set<string>();
  for (const containers of [spec.initContainers, spec.containers, spec.ephemeralContainers])
    for (const { volumeMounts = [], volumeDevices = [] } of containers ?? []) {
      for (const { name } of volumeMounts) mounted.add(name);
      for (const { name } of volumeDevices) mapped.add(name);
    }
  return { mounted, mapped };
}

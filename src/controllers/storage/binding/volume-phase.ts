/** Writes the phase of a volume, where it is another. */
import { PersistentVolume } from '../../../api/resources.gen.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { volumeStatus } from './binding.ts';

/** Returns the volume as it is then. */
export async function setVolumePhase(
  volume: PersistentVolume,
  phase: 'Available' | 'Bound' | 'Released',
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<PersistentVolume> {
  const status = volumeStatus(volume, phase);
  return status ? await cluster.updateStatus(PersistentVolume, volume, status, signal) : volume;
}

/** What happens to a volume whose claim is gone: kept, emptied for the next claim, or deleted with its data. */
import { Node, PersistentVolume } from '../../api/resources.gen.ts';
import { volumeAnnotations } from '../../api/volume-binding.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { directoryOf, nodesOf, onNodeDirectory } from './node-directory.ts';
import { ownProvisioners } from './provisioner-names.ts';
import { withoutClaim } from './volume-plan.ts';

/** Applies the reclaim policy of a Released volume, and reports the outcome in events. False when that failed. */
export async function reclaimVolume(
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<boolean> {
  const succeeds = async (work: Promise<void>, failureReason: string) => {
    try {
      await work;
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      const message = messageOf(error);
      cluster.event(targetOf(PersistentVolume, volume), 'Warning', failureReason, message);
      const status = { ...volume.status, phase: 'Failed' as const, message };
      await cluster.updateStatus(PersistentVolume, volume, status, signal);
      return false;
    }
  };
  switch (volume.spec?.persistentVolumeReclaimPolicy) {
    case 'Recycle':
      return succeeds(recycle(volume, cluster, signal), 'VolumeFailedRecycle');
    case 'Delete':
      return isForeign(volume) || succeeds(remove(volume, cluster, signal), 'VolumeFailedDelete');
    default:
      return true;
  }
}

/** Created by an external provisioner, which is also the one to delete it. */
function isForeign({ metadata }: PersistentVolume): boolean {
  const provisioner = metadata.annotations?.[volumeAnnotations.provisionedBy];
  return provisioner !== undefined && !ownProvisioners.has(provisioner);
}

async function recycle(
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const path = volume.spec?.hostPath?.path;
  if (path === undefined) throw new Error('No recycler plugin found for the volume!');
  for (const node of nodesOf(volume, cluster.informer(Node).list()))
    await onNodeDirectory(cluster.client, node, { action: 'scrub', path }, signal);
  cluster.event(targetOf(PersistentVolume, volume), 'Normal', 'VolumeRecycled', 'Volume recycled');
  const freed = await cluster.update(PersistentVolume, withoutClaim(volume), signal);
  await cluster.updateStatus(PersistentVolume, freed, { phase: 'Available' }, signal);
}

async function remove(
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const path = directoryOf(volume);
  const provisioner = volume.metadata.annotations?.[volumeAnnotations.provisionedBy];
  if (provisioner === undefined && !volume.spec?.hostPath)
    throw new Error(
      `error getting deleter volume plugin for volume "${volume.metadata.name}": no deletable volume plugin matched`,
    );
  // Upstream deletes hand-made directories below /tmp only: a mistyped path must not destroy a system.
  if (provisioner === undefined && !/^\/tmp\/.+/.test(path ?? ''))
    throw new Error(`host_path deleter only supports /tmp/.+ but received provided ${path}`);
  if (path !== undefined)
    for (const node of nodesOf(volume, cluster.informer(Node).list()))
      await onNodeDirectory(cluster.client, node, { action: 'delete', path }, signal);
  await cluster.delete(PersistentVolume, volume, signal);
}

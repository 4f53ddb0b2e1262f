/** What happens to a volume whose claim is gone: kept, emptied for the next claim, or deleted with its data. */
import { keyOf } from '../../../api/meta.ts';
import { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/resources.gen.ts';
import { volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { messageOf } from '../../../base/text/error-message.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { targetOf } from '../../../client/events/event-recorder.ts';
import { isPodTerminal } from '../../pods/pod-state.ts';
import { claimKeysOf, podsByClaim } from '../claims-of-pod.ts';
import {
  type DirectoryRequest,
  directoryOf,
  nodesOf,
  onNodeDirectory,
} from '../provisioning/node-directory.ts';
import { ownProvisioners } from '../provisioning/provisioner-names.ts';
import { withoutClaim } from './volume-plan.ts';

export type ReclaimPlan =
  /** Kept for its administrator, or left to the provisioner that made it. */
  | { act: 'keep' }
  | { act: 'recycle'; path: string }
  /** `path`: the directory on nodes that goes first, if it has one. */
  | { act: 'delete'; path: string | undefined }
  /** It cannot be done. */
  | { act: 'fail'; reason: string; message: string };

/** What the reclaim policy of a Released volume asks for. */
export function planReclaim(volume: PersistentVolume): ReclaimPlan {
  switch (volume.spec?.persistentVolumeReclaimPolicy) {
    case 'Recycle': {
      const path = volume.spec.hostPath?.path;
      if (path !== undefined) return { act: 'recycle', path };
      return { act: 'fail', reason: failed.recycle, message: 'No recycler plugin found for the volume!' };
    }
    case 'Delete':
      return planDelete(volume);
    default:
      return { act: 'keep' };
  }
}

const failed = { recycle: 'VolumeFailedRecycle', delete: 'VolumeFailedDelete' };

function planDelete({ metadata, spec }: PersistentVolume): ReclaimPlan {
  const path = directoryOf({ spec });
  const provisioner = metadata.annotations?.[volumeAnnotations.provisionedBy];
  // Made by an external provisioner, which is also the one to delete it.
  if (provisioner !== undefined)
    return ownProvisioners.has(provisioner) ? { act: 'delete', path } : { act: 'keep' };
  const fail = (message: string) => ({ act: 'fail' as const, reason: failed.delete, message });
  if (!spec?.hostPath)
    return fail(
      `error getting deleter volume plugin for volume "${metadata.name}": no deletable volume plugin matched`,
    );
  // Upstream deletes hand-made directories below /tmp only: a mistyped path must not destroy a system.
  if (!/^\/tmp\/.+/.test(path ?? ''))
    return fail(`host_path deleter only supports /tmp/.+ but received provided ${path}`);
  return { act: 'delete', path };
}

/** Applies the reclaim policy of a Released volume, and reports the outcome in events. False when that failed. */
export async function reclaimVolume(
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<boolean> {
  const plan = planReclaim(volume);
  if (plan.act === 'keep') return true;
  const users = plan.act === 'recycle' ? podsUsing(volume, cluster) : [];
  if (users.length > 0) {
    const message = `Volume is used by pods: ${users.join(',')}`;
    cluster.event(targetOf(PersistentVolume, volume), 'Normal', failed.recycle, message);
    return false;
  }
  if (plan.act === 'fail') {
    await showFailure(volume, plan, cluster, signal);
    return false;
  }
  try {
    await (plan.act === 'recycle' ? recycle : remove)(volume, plan.path, cluster, signal);
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    await showFailure(volume, { reason: failed[plan.act], message: messageOf(error) }, cluster, signal);
    return false;
  }
}

/**
 * Pods that still write to the volume, `namespace/name`: a claim that was freed of its protection goes before them.
 * Those of a later claim under the same name use that one's volume.
 */
function podsUsing({ spec }: PersistentVolume, cluster: ReconcileCluster): string[] {
  const key = `${spec?.claimRef?.namespace}/${spec?.claimRef?.name}`;
  if (cluster.get(PersistentVolumeClaim, key)) return [];
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  return [...pods.byIndex(podsByClaim, key)]
    .filter((pod) => !isPodTerminal(pod))
    .map(keyOf)
    .sort();
}

async function showFailure(
  volume: PersistentVolume,
  { reason, message }: { reason: string; message: string },
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  cluster.event(targetOf(PersistentVolume, volume), 'Warning', reason, message);
  const status = { ...volume.status, phase: 'Failed' as const, message };
  await cluster.updateStatus(PersistentVolume, volume, status, signal);
}

async function recycle(
  volume: PersistentVolume,
  path: string | undefined,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  await onNodes(volume, { action: 'scrub', path: path! }, cluster, signal);
  cluster.event(targetOf(PersistentVolume, volume), 'Normal', 'VolumeRecycled', 'Volume recycled');
  const freed = await cluster.update(PersistentVolume, withoutClaim(volume), signal);
  await cluster.updateStatus(PersistentVolume, freed, { phase: 'Available' }, signal);
}

async function remove(
  volume: PersistentVolume,
  path: string | undefined,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  if (path !== undefined) await onNodes(volume, { action: 'delete', path }, cluster, signal);
  await cluster.delete(PersistentVolume, volume, signal);
}

async function onNodes(
  volume: PersistentVolume,
  request: DirectoryRequest,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  for (const node of nodesOf(volume, cluster.informer(Node).list()))
    await onNodeDirectory(cluster.client, node, request, signal);
}

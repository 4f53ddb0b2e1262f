/** The controller of volumes: shows to whom each belongs, and applies the reclaim policy to those whose claim is gone. */
import { Node, PersistentVolume, PersistentVolumeClaim, Pod } from '../../../api/resources.gen.ts';
import type { ObjectReference } from '../../../api/types/core-v1.gen.ts';
import { type AnyController, defineController, watch } from '../../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { targetOf } from '../../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../../client/informers/informer.ts';
import { setVolumePhase } from './volume-phase.ts';
import { planVolume, withoutClaim } from './volume-plan.ts';
import { reclaimVolume } from './volume-reclaim.ts';

/** How often upstream looks at all volumes: a failed reclaim is tried again, and a mismatch is reported again. */
const lookAtVolumesMs = 15_000;

/** `promised`: as in {@link claimBinder}; a promise ends when the cache shows what became of it. */
export function volumeBinder(promised: Map<string, string>): AnyController {
  /**
   * By name: volumes whose reclaim failed, and until when it is not retried unless the volume changes; on the clock that
   * never jumps.
   */
  const failures = new Map<string, { spec: string; untilMs: number }>();
  return defineController({
    name: 'volumes',
    component: 'persistentvolume-controller',
    reconciles: PersistentVolume,
    watches: [watch(PersistentVolumeClaim, (claim, _old, informers) => volumesConcerned(claim, informers))],
    reads: [Node, Pod],
    async reconcile(name, cluster, signal) {
      const volume = cluster.get(PersistentVolume, name);
      if (!volume || volume.spec?.claimRef?.uid) promised.delete(name);
      if (!volume) failures.delete(name);
      if (!volume) return undefined;
      const { claimRef } = volume.spec ?? {};
      const claim = claimRef && (await freshClaim(claimRef, cluster, signal));
      const plan = planVolume(volume, claim);
      switch (plan.kind) {
        case 'leaveToClaim':
          return undefined;
        case 'mismatched':
          reportMismatch(volume, plan.claim, cluster);
          return { requeueAfterMs: lookAtVolumesMs };
        case 'available':
          await setVolumePhase(volume, 'Available', cluster, signal);
          return undefined;
        case 'bound':
          await setVolumePhase(volume, 'Bound', cluster, signal);
          return undefined;
        case 'unbind':
          await unbind(volume, cluster, signal);
          return undefined;
        case 'reclaim':
          return await reclaim(volume, cluster, signal);
      }
    },
  });

  /** A policy that was changed after a failure is applied at once; the failed phase stays until it succeeds. */
  async function reclaim(volume: PersistentVolume, cluster: ReconcileCluster, signal: AbortSignal) {
    const { name } = volume.metadata;
    const spec = JSON.stringify(volume.spec);
    const failed = failures.get(name);
    const waitMs = failed?.spec === spec ? failed.untilMs - cluster.clock.monotonic() : 0;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    failures.delete(name);
    const isFailed = volume.status?.phase === 'Failed';
    const released = isFailed ? volume : await setVolumePhase(volume, 'Released', cluster, signal);
    if (await reclaimVolume(released, cluster, signal)) return undefined;
    failures.set(name, { spec, untilMs: cluster.clock.monotonic() + lookAtVolumesMs });
    return { requeueAfterMs: lookAtVolumesMs };
  }
}

/** No other claim may have the volume, and its own takes none of another mode. Upstream's words. */
function reportMismatch(
  volume: PersistentVolume,
  claim: PersistentVolumeClaim,
  cluster: ReconcileCluster,
): void {
  const told = [
    [
      targetOf(PersistentVolume, volume),
      `Cannot bind PersistentVolume to requested PersistentVolumeClaim "${claim.metadata.name}" due to incompatible volumeMode.`,
    ],
    [
      targetOf(PersistentVolumeClaim, claim),
      `Cannot bind PersistentVolume "${volume.metadata.name}" to requested PersistentVolumeClaim due to incompatible volumeMode.`,
    ],
  ] as const;
  for (const [target, message] of told) cluster.event(target, 'Warning', 'VolumeMismatch', message);
}

async function unbind(
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const freed = await cluster.update(PersistentVolume, withoutClaim(volume), signal);
  await setVolumePhase(freed, 'Available', cluster, signal);
}

/** The cache may lag behind: before a volume's data is given up, the server is asked for the claim. */
async function freshClaim(
  { namespace = '', name = '', uid }: ObjectReference,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<PersistentVolumeClaim | undefined> {
  const cached = cluster.get(PersistentVolumeClaim, `${namespace}/${name}`);
  if (!uid || cached?.metadata.uid === uid) return cached;
  const only = { namespace, fieldSelector: `metadata.name=${name}` };
  return (await cluster.client.list(PersistentVolumeClaim, only, signal)).items[0];
}

/** The volume of a changed claim, and those that name it. */
function volumesConcerned(claim: PersistentVolumeClaim, informers: InformerFactory): string[] {
  const names = claim.spec?.volumeName ? [claim.spec.volumeName] : [];
  for (const { metadata, spec } of informers.of(PersistentVolume).list()) {
    const reference = spec?.claimRef;
    if (reference?.name === claim.metadata.name && reference.namespace === claim.metadata.namespace)
      names.push(metadata.name);
  }
  return names;
}

/** Binds claims to volumes, and applies the reclaim policy to volumes whose claim is gone. */
import { keyOf } from '../../api/meta.ts';
import { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../api/resources.gen.ts';
import type { ObjectReference } from '../../api/types/core-v1.gen.ts';
import { isDefaultClass } from '../../api/volume-binding.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';
import {
  boundClaim,
  boundStatus,
  claimedVolume,
  provisionerMarks,
  unboundStatus,
  volumeStatus,
} from './binding/binding.ts';
import { type ClaimWorld, type PlannedEvent, planClaim } from './binding/claim-plan.ts';
import { type ClaimReport, planReport } from './binding/claim-reports.ts';
import { planVolume, withoutClaim } from './binding/volume-plan.ts';
import { reclaimVolume } from './binding/volume-reclaim.ts';
import { claimKeysOf, podsByClaim } from './claims-of-pod.ts';

const component = 'persistentvolume-controller';

/** The two controllers share their promises of volumes to claims. */
export function persistentVolumeControllers(): { claims: AnyController; volumes: AnyController } {
  /** Volume → uid of the claim to which it is promised, until the cache shows it. */
  const promised = new Map<string, string>();
  return { claims: claimBinder(promised), volumes: volumeBinder(promised) };
}

function claimBinder(promised: Map<string, string>): AnyController {
  /** By key. */
  const reported = new Map<string, ClaimReport>();
  return defineController({
    name: 'claims',
    component,
    reconciles: PersistentVolumeClaim,
    watches: [
      watch(PersistentVolume, (volume, old, informers) => claimsConcerned(volume, old, informers)),
      watch(StorageClass, (_class, _old, informers) => unboundClaims(informers)),
      watch(Pod, (pod, old) => (old ? [] : claimKeysOf(pod))),
    ],
    // One at a time: a volume is promised to one claim before the next one looks.
    concurrency: 1,
    async reconcile(key, cluster, signal) {
      const claim = cluster.get(PersistentVolumeClaim, key);
      if (!claim) reported.delete(key);
      if (!claim) return undefined;
      const plan = planClaim(claim, worldOf(claim, cluster, promised));
      switch (plan.kind) {
        case 'bind':
          promised.set(plan.volume.metadata.name, claim.metadata.uid);
          try {
            await bind(claim, plan.volume, cluster, signal);
          } catch (error) {
            promised.delete(plan.volume.metadata.name);
            throw error;
          }
          break;
        case 'setClass': {
          const patch = { spec: { storageClassName: plan.className } };
          await cluster.patch(PersistentVolumeClaim, claim, patch, { type: 'merge', signal });
          break;
        }
        case 'provision': {
          await setClaimPhase(claim, 'Pending', cluster, signal);
          const message = waitsForProvisioner(plan.provisioner);
          const asking = await askProvisioner(claim, plan.provisioner, cluster, signal);
          return report(asking, { type: 'Normal', reason: 'ExternalProvisioning', message }, cluster);
        }
        case 'pending': {
          const again = plan.event && report(claim, plan.event, cluster);
          await setClaimPhase(claim, 'Pending', cluster, signal);
          return again;
        }
        case 'lost':
          if (claim.status?.phase !== 'Lost') record(claim, plan.event, cluster);
          await setClaimPhase(claim, 'Lost', cluster, signal);
      }
      return undefined;
    },
  });

  /** Says when to report it again. */
  function report(claim: PersistentVolumeClaim, event: PlannedEvent, cluster: ReconcileCluster) {
    const key = keyOf(claim);
    const plan = planReport(claim, event, reported.get(key), cluster.clock.monotonic());
    if (plan.report) {
      reported.set(key, plan.report);
      record(claim, event, cluster);
    }
    return { requeueAfterMs: plan.againInMs };
  }
}

function record(claim: PersistentVolumeClaim, event: PlannedEvent, cluster: ReconcileCluster): void {
  cluster.event(targetOf(PersistentVolumeClaim, claim), event.type, event.reason, event.message);
}

/** Upstream's words for a claim whose volume an external provisioner is to make. */
function waitsForProvisioner(provisioner: string): string {
  return `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
}

/** How soon a failed reclaim is tried again; upstream looks at all volumes this often. */
const reclaimRetryMs = 15_000;

function volumeBinder(promised: Map<string, string>): AnyController {
  /**
   * By name: volumes whose reclaim failed, and until when it is not retried unless the volume changes; on the clock that
   * never jumps.
   */
  const failures = new Map<string, { spec: string; untilMs: number }>();
  return defineController({
    name: 'volumes',
    component,
    reconciles: PersistentVolume,
    watches: [watch(PersistentVolumeClaim, (claim, _old, informers) => volumesConcerned(claim, informers))],
    reads: [Node],
    async reconcile(name, cluster, signal) {
      const volume = cluster.get(PersistentVolume, name);
      if (!volume || volume.spec?.claimRef?.uid) promised.delete(name);
      if (!volume) failures.delete(name);
      if (!volume) return undefined;
      const { claimRef } = volume.spec ?? {};
      const claim = claimRef && (await freshClaim(claimRef, cluster, signal));
      const plan = planVolume(volume, claim);
      switch (plan.kind) {
        case 'available':
          await setVolumePhase(volume, 'Available', cluster, signal);
          break;
        case 'bound':
          await setVolumePhase(volume, 'Bound', cluster, signal);
          break;
        case 'unbind': {
          const freed = await cluster.update(PersistentVolume, withoutClaim(volume), signal);
          await setVolumePhase(freed, 'Available', cluster, signal);
          break;
        }
        case 'reclaim':
          return reclaim(volume, cluster, signal);
        default:
      }
      return undefined;
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
    failures.set(name, { spec, untilMs: cluster.clock.monotonic() + reclaimRetryMs });
    return { requeueAfterMs: reclaimRetryMs };
  }
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

function worldOf(
  claim: PersistentVolumeClaim,
  cluster: ReconcileCluster,
  promised: ReadonlyMap<string, string>,
): ClaimWorld {
  const volumes = cluster.informer(PersistentVolume);
  const classes = cluster.informer(StorageClass);
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  const taken = new Set<string>();
  for (const [name, uid] of promised) if (uid !== claim.metadata.uid) taken.add(name);
  return {
    volume: (name) => volumes.get(name),
    volumes: () => volumes.list(),
    storageClass: (name) => classes.get(name),
    taken,
    defaultClass: () =>
      [...classes.list()]
        .filter(isDefaultClass)
        .sort((left, right) =>
          right.metadata.creationTimestamp.localeCompare(left.metadata.creationTimestamp),
        )[0],
    waitingPods: ({ metadata }) =>
      [...pods.byIndex(podsByClaim, keyOf({ metadata }))]
        .filter(({ spec }) => !spec?.nodeName)
        .map((pod) => pod.metadata.name)
        .sort(),
  };
}

/** A crash may follow any step: the next run continues from what it finds. */
async function bind(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const reserving = claimedVolume(volume, claim);
  const reserved = reserving ? await cluster.update(PersistentVolume, reserving, signal) : volume;
  await setVolumePhase(reserved, 'Bound', cluster, signal);
  const binding = boundClaim(claim, volume.metadata.name);
  const bound = binding ? await cluster.update(PersistentVolumeClaim, binding, signal) : claim;
  const status = boundStatus(bound, volume);
  if (status) await cluster.updateStatus(PersistentVolumeClaim, bound, status, signal);
}

/** Names the provisioner on the claim: provisioners wait for that. Returns the claim as it is then. */
async function askProvisioner(
  claim: PersistentVolumeClaim,
  provisioner: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<PersistentVolumeClaim> {
  const annotations = provisionerMarks(claim, provisioner);
  if (!annotations) return claim;
  const patch = { metadata: { uid: claim.metadata.uid, annotations } };
  return await cluster.patch(PersistentVolumeClaim, claim, patch, { type: 'merge', signal });
}

async function setClaimPhase(
  claim: PersistentVolumeClaim,
  phase: 'Pending' | 'Lost',
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const status = unboundStatus(claim, phase);
  if (status) await cluster.updateStatus(PersistentVolumeClaim, claim, status, signal);
}

async function setVolumePhase(
  volume: PersistentVolume,
  phase: 'Available' | 'Bound' | 'Released',
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<PersistentVolume> {
  const status = volumeStatus(volume, phase);
  return status ? await cluster.updateStatus(PersistentVolume, volume, status, signal) : volume;
}

/** The claim that a changed volume names or named; for a volume that has become free, every unbound claim. */
function claimsConcerned(
  volume: PersistentVolume,
  old: PersistentVolume | undefined,
  informers: InformerFactory,
): string[] {
  const keys = [volume, old].flatMap((one) => {
    const reference = one?.spec?.claimRef;
    return reference ? [`${reference.namespace}/${reference.name}`] : [];
  });
  for (const claim of informers.of(PersistentVolumeClaim).list()) {
    const isNamed = claim.spec?.volumeName === volume.metadata.name;
    const mayTakeIt =
      !claim.spec?.volumeName && volume.status?.phase === 'Available' && !volume.spec?.claimRef;
    if (isNamed || mayTakeIt) keys.push(keyOf(claim));
  }
  return keys;
}

function unboundClaims(informers: InformerFactory): string[] {
  return [...informers.of(PersistentVolumeClaim).list()]
    .filter((claim) => !claim.spec?.volumeName)
    .map(keyOf);
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

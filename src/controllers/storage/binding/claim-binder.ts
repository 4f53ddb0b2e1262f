/** The controller of claims: binds them to volumes, or has volumes made for them. */
import { keyOf } from '../../../api/meta.ts';
import { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '../../../api/resources.gen.ts';
import { defaultClassOf } from '../../../api/storage/volume-binding.ts';
import {
  type AnyController,
  defineController,
  type ReconcileOutcome,
  watch,
} from '../../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../../client/controller/controller-cluster.ts';
import { targetOf } from '../../../client/events/event-recorder.ts';
import type { InformerFactory } from '../../../client/informers/informer.ts';
import { isPodTerminal } from '../../pods/pod-state.ts';
import { claimKeysOf, podsByClaim } from '../claims-of-pod.ts';
import { boundClaim, boundStatus, claimedVolume, provisionerMarks, unboundStatus } from './binding.ts';
import { type ClaimWorld, type PlannedEvent, planClaim } from './claim-plan.ts';
import { type ClaimReport, planReport } from './claim-reports.ts';
import { setVolumePhase } from './volume-phase.ts';

/** `promised`: by volume, the uid of the claim to which it is promised. */
export function claimBinder(promised: Map<string, string>): AnyController {
  const binder = new ClaimBinder(promised);
  return defineController({
    name: 'claims',
    component: 'persistentvolume-controller',
    reconciles: PersistentVolumeClaim,
    watches: [
      watch(PersistentVolume, (volume, old, informers) => claimsConcerned(volume, old, informers)),
      watch(StorageClass, (_class, _old, informers) => unboundClaims(informers)),
    ],
    // Which pods wait for a claim is told when there is something else to tell, or every so often.
    reads: [Pod],
    // One at a time: a volume is promised to one claim before the next one looks.
    concurrency: 1,
    reconcile: (key, cluster, signal) => binder.reconcile(key, cluster, signal),
  });
}

class ClaimBinder {
  readonly #promised: Map<string, string>;
  /** By key of the claim. */
  readonly #reported = new Map<string, ClaimReport>();

  constructor(promised: Map<string, string>) {
    this.#promised = promised;
  }

  async reconcile(
    key: string,
    cluster: ReconcileCluster,
    signal: AbortSignal,
  ): Promise<ReconcileOutcome | undefined> {
    const claim = cluster.get(PersistentVolumeClaim, key);
    if (!claim) {
      this.#reported.delete(key);
      return undefined;
    }
    const plan = planClaim(claim, worldOf(claim, cluster, this.#promised));
    switch (plan.kind) {
      case 'bind':
        await this.#bind(claim, plan.volume, cluster, signal);
        return undefined;
      case 'setClass':
        await setClass(claim, plan.className, cluster, signal);
        return undefined;
      case 'provision':
        return await this.#provision(claim, plan.provisioner, cluster, signal);
      case 'pending': {
        const again = plan.event && this.#report(claim, plan.event, cluster);
        await setClaimPhase(claim, 'Pending', cluster, signal);
        return again;
      }
      case 'lost':
        if (claim.status?.phase !== 'Lost') record(claim, plan.event, cluster);
        await setClaimPhase(claim, 'Lost', cluster, signal);
        return undefined;
    }
  }

  /** No other claim is to have the volume, from now on or until this fails. */
  async #bind(
    claim: PersistentVolumeClaim,
    volume: PersistentVolume,
    cluster: ReconcileCluster,
    signal: AbortSignal,
  ): Promise<void> {
    const { name } = volume.metadata;
    this.#promised.set(name, claim.metadata.uid);
    try {
      await bind(claim, volume, cluster, signal);
    } catch (error) {
      this.#promised.delete(name);
      throw error;
    }
  }

  async #provision(
    claim: PersistentVolumeClaim,
    provisioner: string,
    cluster: ReconcileCluster,
    signal: AbortSignal,
  ): Promise<ReconcileOutcome> {
    await setClaimPhase(claim, 'Pending', cluster, signal);
    const asking = await askProvisioner(claim, provisioner, cluster, signal);
    const message = waitsForProvisioner(provisioner);
    return this.#report(asking, { type: 'Normal', reason: 'ExternalProvisioning', message }, cluster);
  }

  /** Says when to report it again. */
  #report(claim: PersistentVolumeClaim, event: PlannedEvent, cluster: ReconcileCluster): ReconcileOutcome {
    const key = keyOf(claim);
    const plan = planReport(claim, event, this.#reported.get(key), cluster.clock.monotonic());
    if (plan.report) {
      this.#reported.set(key, plan.report);
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
    defaultClass: () => defaultClassOf(classes.list()),
    waitingPods: ({ metadata }) =>
      [...pods.byIndex(podsByClaim, keyOf({ metadata }))]
        .filter((pod) => !pod.spec?.nodeName && !isPodTerminal(pod))
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

async function setClass(
  claim: PersistentVolumeClaim,
  className: string,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const patch = { spec: { storageClassName: className } };
  await cluster.patch(PersistentVolumeClaim, claim, patch, { type: 'merge', signal });
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

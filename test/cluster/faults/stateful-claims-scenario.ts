/**
 * Claims that belong to something: to a StatefulSet or its pods under every retention policy, and to pods with ephemeral
 * volumes. Sets are scaled, deleted and made again.
 */
import type { Draft } from '../../../src/api/meta.ts';
import {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  StatefulSet,
  StorageClass,
} from '../../../src/api/resources.gen.ts';
import { isPodTerminal } from '../../../src/controllers/pods/pod-state.ts';
import { ownProvisioner } from '../../../src/controllers/storage/provisioning/provisioner-names.ts';
import { replicaSetOf, statefulSetOf } from '../workloads.ts';
import { changeOf, type Rule } from './history.ts';
import { eventually, find, modify, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

type Fate = 'Retain' | 'Delete';

const sets: readonly { name: string; whenDeleted: Fate; whenScaled: Fate }[] = [
  { name: 'keeps', whenDeleted: 'Retain', whenScaled: 'Retain' },
  { name: 'scales', whenDeleted: 'Retain', whenScaled: 'Delete' },
  { name: 'ends', whenDeleted: 'Delete', whenScaled: 'Retain' },
  { name: 'clears', whenDeleted: 'Delete', whenScaled: 'Delete' },
];
const scratch = 'scratch';
const replicasMax = 3;

export const statefulClaims: Scenario = {
  nodes: 2,
  controllers: [
    'statefulset',
    'replicaset',
    'ephemeralvolume',
    'persistentvolumebinder',
    'persistentvolumeclaimbinder',
    'hostpathprovisioner',
    'pvprotection',
    'pvcprotection',
  ],
  pauseMs: 8_000,
  rounds: 12,
  async begin({ client, checker }) {
    await client.create(StorageClass, {
      metadata: { name: 'standard' },
      provisioner: ownProvisioner,
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'Immediate',
    });
    for (const { name } of sets) checker.expect(name, { most: replicasMax, fewest: 0 });
    for (const { name } of sets) await client.create(StatefulSet, setOf(name, 2));
    await client.create(ReplicaSet, scratchPods());
  },
  changes: [scale, bounce, bounce, comeOrGo, renew, renew, removeScratchPod],
  async end(run) {
    const { client } = run;
    const present = () => Promise.all(sets.map((set) => find(client, StatefulSet, { metadata: set })));
    await eventually(run, 'sets that were to go are gone', async () =>
      (await present()).every((one) => !one?.metadata.deletionTimestamp),
    );
    for (const [index, one] of (await present()).entries())
      if (!one) await client.create(StatefulSet, setOf(sets[index]!.name, 2));
  },
  async problems({ client, asked, history }) {
    const wasUsed = ({ metadata }: PersistentVolumeClaim) =>
      history.has(Pod, (pod) => claimsOf(pod).includes(metadata.name) && !isOlder(pod, metadata));
    const { items: pods } = await client.list(Pod, { namespace });
    const { items: claims } = await client.list(PersistentVolumeClaim, { namespace });
    const { items: volumes } = await client.list(PersistentVolume);
    return [
      ...pods.flatMap((pod) => podProblems(pod, claims)),
      ...claims.flatMap((claim) => claimProblems(claim, pods, asked, wasUsed(claim))),
      ...(volumes.length === claims.length ? [] : [`${volumes.length} volumes for ${claims.length} claims`]),
    ];
  },
  always: { of: [PersistentVolumeClaim, Pod, StatefulSet], rule: claimsRule },
};

/** A claim goes only when its policy says so, and never under a pod that runs. */
function claimsRule({ asked }: Run): Rule {
  /** Sets of which some pods were to go. */
  const shrunk = new Set<string>();
  return (change, world) => {
    const set = changeOf(change, StatefulSet);
    if (set?.before && (set.object.spec?.replicas ?? 1) < (set.before.spec?.replicas ?? 1))
      shrunk.add(set.object.metadata.name);
    const claim = changeOf(change, PersistentVolumeClaim);
    const [former, next] = [claim?.before, claim?.object].map(setOwnerOf);
    if (former && next && former !== next)
      return [`claim ${claim?.object.metadata.name} was handed to the next set`];
    if (!claim?.isGone) return [];
    const { name } = claim.object.metadata;
    const users = world
      .all(Pod)
      .filter((pod) => pod.spec?.nodeName && !isPodTerminal(pod) && claimsOf(pod).includes(name));
    // A pod that has ended on its node waits for its ephemeral claims to go.
    const running = users.filter(({ metadata }) => metadata.deletionGracePeriodSeconds !== 0);
    if (running.length > 0) return [`claim ${name} went under pod ${running[0]!.metadata.name}`];
    const owner = sets.find((one) => name.startsWith(`data-${one.name}-`));
    if (!owner) return [];
    const mayGo =
      (owner.whenDeleted === 'Delete' && wasDeleted(owner.name, asked)) ||
      (owner.whenScaled === 'Delete' && shrunk.has(owner.name));
    return mayGo ? [] : [`claim ${name} went, though ${owner.name} keeps it`];
  };
}

/** What {@link comeOrGo} has deleted is noted by name, too: sets of one name share their claims. */
function wasDeleted(name: string, asked: ReadonlySet<string>): boolean {
  return asked.has(name);
}

/** The uid of the set that owns the claim. */
function setOwnerOf(claim: PersistentVolumeClaim | undefined): string | undefined {
  return claim?.metadata.ownerReferences?.find(({ kind }) => kind === StatefulSet.kind)?.uid;
}

function setOf(name: string, replicas: number): Draft<StatefulSet> {
  const { whenDeleted, whenScaled } = sets.find((one) => one.name === name)!;
  return statefulSetOf(name, replicas, 'db:1', {
    podManagementPolicy: name === 'clears' ? 'Parallel' : 'OrderedReady',
    persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
    volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: claimSpec }],
  });
}

const claimSpec = {
  storageClassName: 'standard',
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
};

/** Pods with a volume of their own for as long as they last. */
function scratchPods(): Draft<ReplicaSet> {
  const draft = replicaSetOf(scratch, 2);
  const { template } = draft.spec!;
  const volumes = [{ name: 'tmp', ephemeral: { volumeClaimTemplate: { spec: claimSpec } } }];
  return {
    ...draft,
    spec: { ...draft.spec!, template: { ...template, spec: { ...template!.spec!, volumes } } },
  } as Draft<ReplicaSet>;
}

async function scale({ client, random }: Run): Promise<void> {
  const metadata = { name: pick(random, sets).name };
  const replicas = Math.floor(random.next() * (replicasMax + 1));
  await modify(client, StatefulSet, { metadata }, (set) => ({ ...set, spec: { ...set.spec!, replicas } }));
}

/** Down, and up again before all is gone. */
async function bounce({ client, random, clock }: Run): Promise<void> {
  const metadata = { name: pick(random, sets).name };
  const scaleTo = (replicas: number) =>
    modify(client, StatefulSet, { metadata }, (set) => ({ ...set, spec: { ...set.spec!, replicas } }));
  await scaleTo(Math.floor(random.next() * 2));
  await clock.advance(random.next() * 4_000);
  await scaleTo(replicasMax);
}

/** Made again the moment that it is gone, while its pods and claims are still there. */
async function renew(run: Run): Promise<void> {
  const { client, random, clock, asked } = run;
  const { name } = pick(random, sets);
  const present = await find(client, StatefulSet, { metadata: { name } });
  if (present?.metadata.deletionTimestamp) return;
  asked.add(name);
  if (present) await remove(run, StatefulSet, present);
  await clock.advance(random.next() * 500);
  if (!(await find(client, StatefulSet, { metadata: { name } })))
    await client.create(StatefulSet, setOf(name, 2));
}

async function comeOrGo(run: Run): Promise<void> {
  const { client, random, asked } = run;
  const { name } = pick(random, sets);
  const present = await find(client, StatefulSet, { metadata: { name } });
  if (!present) await client.create(StatefulSet, setOf(name, 1 + Math.floor(random.next() * replicasMax)));
  else if (!present.metadata.deletionTimestamp) {
    asked.add(name);
    await remove(run, StatefulSet, present);
  }
}

async function removeScratchPod(run: Run): Promise<void> {
  const { items } = await run.client.list(Pod, { namespace, labelSelector: `app=${scratch}` });
  const pod = items.find(({ metadata }) => !metadata.deletionTimestamp);
  if (pod) await remove(run, Pod, pod);
}

/** The names of the claims that the pod uses. */
function claimsOf({ metadata, spec }: Pod): string[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName];
    return ephemeral ? [`${metadata.name}-${name}`] : [];
  });
}

function podProblems(pod: Pod, claims: readonly PersistentVolumeClaim[]): string[] {
  return claimsOf(pod)
    .map((name) => ({ name, claim: claims.find(({ metadata }) => metadata.name === name) }))
    .filter(({ claim }) => claim?.status?.phase !== 'Bound' || claim.metadata.deletionTimestamp)
    .map(({ name, claim }) => `${pod.metadata.name}: claim ${name} is ${claim?.status?.phase}`);
}

function isOlder(pod: Pod, { creationTimestamp = '' }: PersistentVolumeClaim['metadata']): boolean {
  return (pod.metadata.creationTimestamp ?? '') < creationTimestamp;
}

/** Of what no pod uses, only claims are left that their set keeps; one that was deleted has not scaled them down. */
function claimProblems(
  { metadata }: PersistentVolumeClaim,
  pods: readonly Pod[],
  asked: ReadonlySet<string>,
  wasUsed: boolean,
): string[] {
  const { name, ownerReferences = [] } = metadata;
  const isUsed = pods.some((pod) => claimsOf(pod).includes(name));
  const owner = sets.find((one) => name.startsWith(`data-${one.name}-`));
  const kinds = ownerReferences.map(({ kind }) => kind).join();
  if (!owner) return isUsed && kinds === 'Pod' ? [] : [`ephemeral claim ${name} is owned by ${kinds}`];
  // It is made before its pod: of one that never came the set knows nothing when it is scaled down, as upstream's does not.
  if (!isUsed && wasUsed && owner.whenScaled === 'Delete' && !wasDeleted(owner.name, asked))
    return [`claim ${name} is left over`];
  const wanted = owner.whenDeleted === 'Delete' ? 'StatefulSet' : '';
  return isUsed && kinds !== wanted ? [`claim ${name} is owned by ${kinds}, not by ${wanted}`] : [];
}

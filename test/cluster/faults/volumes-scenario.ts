/**
 * Claims and volumes: made by hand and by the provisioner, kept, deleted or recycled, and used by pods. Claims come and
 * go under their old names.
 */
import type { Draft } from '../../../src/api/meta.ts';
import {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StorageClass,
} from '../../../src/api/resources.gen.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { isPodTerminal } from '../../../src/controllers/pods/pod-state.ts';
import { ownProvisioner } from '../../../src/controllers/storage/provisioning/provisioner-names.ts';
import { type Change, changeOf, type Rule, type World } from './history.ts';
import { eventually, find, modify, namespace, pick, type Run, remove, type Scenario } from './run-seed.ts';

/** Those whose volumes are made for the claims. */
const classes = ['deleted', 'retained', 'late'] as const;
const claimNames = ['a', 'b', 'c', 'd', 'e'];
const podNames = ['one', 'two', 'three'];
const handMade = [
  { name: 'small', storage: '1Gi', persistentVolumeReclaimPolicy: 'Retain' },
  { name: 'large', storage: '5Gi', persistentVolumeReclaimPolicy: 'Retain' },
  { name: 'passing', storage: '2Gi', persistentVolumeReclaimPolicy: 'Delete' },
  { name: 'again', storage: '3Gi', persistentVolumeReclaimPolicy: 'Recycle' },
] as const;

export const volumes: Scenario = {
  nodes: 2,
  controllers: [
    'persistentvolumebinder',
    'persistentvolumeclaimbinder',
    'hostpathprovisioner',
    'pvprotection',
    'pvcprotection',
  ],
  pauseMs: 4_000,
  rounds: 20,
  async begin({ client }) {
    for (const name of classes)
      await client.create(StorageClass, {
        metadata: { name },
        provisioner: ownProvisioner,
        reclaimPolicy: name === 'retained' ? 'Retain' : 'Delete',
        volumeBindingMode: name === 'late' ? 'WaitForFirstConsumer' : 'Immediate',
      });
    for (const row of handMade) await client.create(PersistentVolume, volumeOf(row));
  },
  changes: [
    claimComesOrGoes,
    claimComesOrGoes,
    renewClaim,
    podComesOrGoes,
    podComesOrGoes,
    useWhatGoes,
    volumeComesOrGoes,
    volumeComesOrGoes,
    free,
  ],
  /** Pods go, so that claims which were asked to go can. */
  async end(run) {
    const { client, clock } = run;
    for (const pod of (await client.list(Pod, { namespace })).items) await remove(run, Pod, pod);
    const claims = async () => (await client.list(PersistentVolumeClaim, { namespace })).items;
    await eventually(run, 'claims that were to go are gone', async () =>
      (await claims()).every(({ metadata }) => !metadata.deletionTimestamp),
    );
    for (const [index, name] of claimNames.entries())
      if (!(await find(client, PersistentVolumeClaim, { metadata: { name } })))
        await client.create(PersistentVolumeClaim, claimOf(name, index === 0 ? '' : classes[index % 2]!));
    await clock.advance(5_000);
    for (const { name } of handMade) await freeOne(run, name);
  },
  async problems({ client }) {
    const { items: all } = await client.list(PersistentVolume);
    const { items: claims } = await client.list(PersistentVolumeClaim, { namespace });
    return [
      ...claims.flatMap((claim) => claimProblems(claim, all)),
      ...all.flatMap((one) => volumeProblems(one, claims)),
    ];
  },
  /** The events that say why a claim waits. */
  repeated: /^PATCH \S+\/events\/[a-e]\.\w+$/,
  always: {
    of: [PersistentVolume, PersistentVolumeClaim, Pod],
    rule: volumesRule,
  },
};

/** At every moment: what is bound stays bound to that alone, and no data goes as long as somebody may want it. */
function volumesRule({ asked }: Pick<Run, 'asked'>): Rule {
  return (change, world) => {
    const volume = changeOf(change, PersistentVolume);
    const claim = changeOf(change, PersistentVolumeClaim);
    return [
      ...(volume?.isGone ? goneVolumeProblems(volume.object, world, asked) : []),
      ...(volume?.before && !volume.isGone ? changedHands(volume as Change<PersistentVolume>, world) : []),
      ...(claim?.isGone ? usersLeft(claim.object, world) : []),
      ...(claim && !claim.isGone ? boundWrongly(claim, world) : []),
    ];
  };
}

function goneVolumeProblems(
  { metadata: { name, uid }, spec }: PersistentVolume,
  world: World,
  asked: ReadonlySet<string>,
): string[] {
  const { persistentVolumeReclaimPolicy: policy, claimRef } = spec ?? {};
  const claim = world.byUid(PersistentVolumeClaim, claimRef?.uid);
  if (claim?.spec?.volumeName === name)
    return [`volume ${name} went before its claim ${claim.metadata.name}`];
  if (asked.has(uid)) return [];
  if (policy !== 'Delete') return [`volume ${name} went, though its policy is ${policy}`];
  if (!claimRef?.uid) return [`volume ${name} went, though no claim had it`];
  // One that was made for a claim which took another volume in the meantime is not needed.
  return claim && !claim.spec?.volumeName ? [`volume ${name} went while its claim was there`] : [];
}

function changedHands({ object, before }: Change<PersistentVolume>, world: World): string[] {
  const former = world.byUid(PersistentVolumeClaim, before?.spec?.claimRef?.uid);
  const { name } = object.metadata;
  const [held, holds] = [before?.spec?.claimRef?.uid, object.spec?.claimRef?.uid];
  if (held && holds && held !== holds)
    return [`volume ${name} went from one claim to the next, data and all`];
  return former?.spec?.volumeName === name && object.spec?.claimRef?.uid !== former.metadata.uid
    ? [`volume ${name} was taken from claim ${former.metadata.name}`]
    : [];
}

function usersLeft({ metadata: { name } }: PersistentVolumeClaim, world: World): string[] {
  return world
    .all(Pod)
    .filter(
      (pod) =>
        pod.spec?.nodeName &&
        !isPodTerminal(pod) &&
        pod.spec.volumes?.some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === name),
    )
    .map(({ metadata }) => `claim ${name} went while pod ${metadata.name} used it`);
}

function boundWrongly({ object: claim, before }: Change<PersistentVolumeClaim>, world: World): string[] {
  const { name, uid } = claim.metadata;
  const volumeName = claim.spec?.volumeName;
  if (before?.spec?.volumeName && before.spec.volumeName !== volumeName)
    return [`claim ${name} moved from ${before.spec.volumeName} to ${volumeName}`];
  if (!volumeName) return [];
  const sharers = world
    .all(PersistentVolumeClaim)
    .filter((other) => other.spec?.volumeName === volumeName && other.metadata.uid !== uid);
  if (sharers.length > 0) return [`claims ${name} and ${sharers[0]!.metadata.name} share ${volumeName}`];
  const volume = world.all(PersistentVolume).find(({ metadata }) => metadata.name === volumeName);
  if (claim.status?.phase === 'Bound' && volume && volume.spec?.claimRef?.uid !== uid)
    return [`claim ${name} is bound to ${volumeName}, which names another`];
  return [];
}

function volumeOf({ name, storage, persistentVolumeReclaimPolicy }: (typeof handMade)[number]) {
  return sparse<Draft<PersistentVolume>>({
    metadata: { name },
    spec: {
      capacity: { storage },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy,
      hostPath: { path: `/tmp/${name}` },
    },
  });
}

/** `storageClassName`: '' for a claim to a hand-made volume. */
function claimOf(name: string, storageClassName: string): Draft<PersistentVolumeClaim> {
  return sparse<Draft<PersistentVolumeClaim>>({
    metadata: { name, namespace },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName },
  });
}

async function claimComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, claimNames);
  const present = await find(client, PersistentVolumeClaim, { metadata: { name } });
  if (!present) await client.create(PersistentVolumeClaim, claimOf(name, pick(random, [...classes, '', ''])));
  else if (!present.metadata.deletionTimestamp) await remove(run, PersistentVolumeClaim, present);
}

const renewedWithinMs = 10_000;

/** Made again the moment that it is gone, while controllers may still believe in its predecessor. */
async function renewClaim(run: Run): Promise<void> {
  const { client, clock, random } = run;
  const { items } = await client.list(PersistentVolumeClaim, { namespace });
  if (items.length === 0) return await claimComesOrGoes(run);
  const { metadata, spec } = pick(random, items);
  const present = () => find(client, PersistentVolumeClaim, { metadata: { name: metadata.name } });
  if (!metadata.deletionTimestamp) await remove(run, PersistentVolumeClaim, { metadata });
  const endMs = clock.now() + renewedWithinMs;
  while ((await present()) && clock.now() < endMs) await clock.advance(50);
  if (await present()) return;
  await client.create(PersistentVolumeClaim, claimOf(metadata.name, spec?.storageClassName ?? ''));
}

async function podComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const name = pick(random, podNames);
  const present = await find(client, Pod, { metadata: { name } });
  if (present) return await remove(run, Pod, present);
  await makePod(client, name, pick(random, claimNames));
}

/** A pod takes a claim to its node just before the claim is to go. */
async function useWhatGoes(run: Run): Promise<void> {
  const { client, random, clock } = run;
  const metadata = { name: pick(random, podNames) };
  const claims = (await client.list(PersistentVolumeClaim, { namespace })).items;
  const bound = claims.filter((one) => one.status?.phase === 'Bound' && !one.metadata.deletionTimestamp);
  if (bound.length === 0 || (await find(client, Pod, { metadata }))) return;
  const claim = pick(random, bound);
  await makePod(client, metadata.name, claim.metadata.name);
  await clock.advance(random.next() * 500);
  await remove(run, PersistentVolumeClaim, claim);
}

async function makePod(client: Run['client'], name: string, claimName: string): Promise<void> {
  await client.create(
    Pod,
    sparse<Draft<Pod>>({
      metadata: { name, namespace },
      spec: {
        terminationGracePeriodSeconds: 2,
        containers: [{ name: 'c', image: 'web:1' }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
      },
    }),
  );
}

async function volumeComesOrGoes(run: Run): Promise<void> {
  const { client, random } = run;
  const row = pick(random, handMade);
  const present = await find(client, PersistentVolume, { metadata: { name: row.name } });
  if (!present) await client.create(PersistentVolume, volumeOf(row));
  else if (!present.metadata.deletionTimestamp) await remove(run, PersistentVolume, present);
}

/** An administrator gives a released volume to the next claim. */
async function free(run: Run): Promise<void> {
  await freeOne(run, pick(run.random, handMade).name);
}

async function freeOne({ client }: Run, name: string): Promise<void> {
  const released = await find(client, PersistentVolume, { metadata: { name } });
  if (released?.status?.phase !== 'Released') return;
  await modify(client, PersistentVolume, released, (volume) => {
    if (volume.status?.phase !== 'Released' || volume.metadata.deletionTimestamp) return volume;
    const { claimRef: _, ...spec } = volume.spec!;
    return { ...volume, spec };
  });
}

function claimProblems(claim: PersistentVolumeClaim, all: readonly PersistentVolume[]): string[] {
  const { name, uid } = claim.metadata;
  const { phase } = claim.status ?? {};
  const { storageClassName = '', volumeName } = claim.spec ?? {};
  const mine = all.filter(({ spec }) => spec?.claimRef?.uid === uid).map(({ metadata }) => metadata.name);
  if (phase === 'Bound' && mine.join() === volumeName) return [];
  const isFree = ({ status, spec }: PersistentVolume) => status?.phase === 'Available' && !spec?.claimRef;
  const canWait = storageClassName === 'late' || (storageClassName === '' && !all.some(isFree));
  const isWaiting = phase === 'Pending' && !volumeName && mine.length === 0;
  return isWaiting && canWait
    ? []
    : [`claim ${name} is ${phase}, names ${volumeName} and is named by ${mine}`];
}

function volumeProblems(volume: PersistentVolume, claims: readonly PersistentVolumeClaim[]): string[] {
  const { name } = volume.metadata;
  const { claimRef, persistentVolumeReclaimPolicy: policy } = volume.spec ?? {};
  const isClaimed = claims.some(({ metadata }) => metadata.uid === claimRef?.uid);
  const wanted = isClaimed ? 'Bound' : claimRef ? 'Released' : 'Available';
  if (volume.status?.phase !== wanted) return [`volume ${name} is ${volume.status?.phase}, not ${wanted}`];
  if (wanted === 'Released' && policy !== 'Retain') return [`volume ${name} is still there: ${policy}`];
  return [];
}

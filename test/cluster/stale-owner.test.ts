/** Controllers whose cache still shows an owner that is gone: they make nothing for it and take nothing in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf, type Draft, type KubeObject, type ResourceType } from '../../src/api/meta.ts';
import {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { sparse } from '../../src/base/sparse.fixture.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { Gate } from './gate.ts';
import {
  cronJobOf,
  daemonSetOf,
  deploymentOf,
  jobOf,
  replicaSetOf,
  replicationControllerOf,
  statefulSetOf,
} from './workloads.ts';

const namespace = 'default';
const name = 'work';
const at = { name, namespace };
/** Without a garbage collector: what the dead own stays, as far as their controllers let it. */
const everywhere = ['serviceaccount', 'nodeipam', 'nodelifecycle'];

interface Case {
  type: ResourceType;
  controller: string;
  draft: Draft<KubeObject>;
  /** What the owner makes. */
  makes: ResourceType;
}

const claimTemplate = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } },
};
const volumeClaimTemplates = [claimTemplate];

const cases: Case[] = [
  { type: ReplicaSet, controller: 'replicaset', draft: replicaSetOf(name, 2), makes: Pod },
  {
    type: ReplicationController,
    controller: 'replicationcontroller',
    draft: replicationControllerOf(name, 2),
    makes: Pod,
  },
  { type: StatefulSet, controller: 'statefulset', draft: statefulSetOf(name, 2), makes: Pod },
  { type: StatefulSet, controller: 'statefulset', draft: statefulSetOf(name, 1), makes: ControllerRevision },
  { type: DaemonSet, controller: 'daemonset', draft: daemonSetOf(name), makes: Pod },
  { type: Job, controller: 'job', draft: jobOf(name, 'sleep 900', { parallelism: 2 }), makes: Pod },
  { type: CronJob, controller: 'cronjob', draft: cronJobOf(name, 'sleep 900'), makes: Job },
  { type: Deployment, controller: 'deployment', draft: deploymentOf(name, 1), makes: ReplicaSet },
  { type: Pod, controller: 'ephemeralvolume', draft: podWithOwnVolume(), makes: PersistentVolumeClaim },
];

for (const { type, controller, draft, makes } of cases)
  test(`a ${type.kind} that is gone, though its cache does not know, gets no ${makes.kind}`, async () => {
    const gate = new Gate();
    await using cluster = await createCluster({
      controllers: [...everywhere, controller],
      wrapTransport: (transport) => gate.wrap(transport),
    });
    const { client, clock } = cluster;
    await client.create(type, draft);
    await cluster.until(async () => (await ofOwner(cluster, makes)).length > 0, 120_000);
    await clock.advance(10_000);

    gate.hold(type);
    await client.delete(type, at, { propagationPolicy: 'Background' });
    const before = await uidsOf(cluster, makes);
    for (const one of (await ofOwner(cluster, makes)).slice(0, 1)) await remove(cluster, makes, one);
    await clock.advance(120_000);
    const made = (await uidsOf(cluster, makes)).filter((uid) => !before.includes(uid));
    assert.deepEqual(made, []);

    // Another of the same name: what is missing is made for it, once the news is through.
    const next = await client.create(type, draft);
    gate.release();
    await cluster.until(async () => (await ofOwner(cluster, makes, next)).length > 0, 120_000);
  });

test('a StatefulSet that is gone, though its cache does not know, gets no claims', async () => {
  const gate = new Gate();
  await using cluster = await createCluster({
    controllers: [...everywhere, 'statefulset', 'pvcprotection'],
    wrapTransport: (transport) => gate.wrap(transport),
  });
  const { client, clock } = cluster;
  const claims = async () => (await client.list(PersistentVolumeClaim, { namespace })).items;
  await client.create(StatefulSet, statefulSetOf(name, 1, 'db:1', { volumeClaimTemplates }));
  await cluster.until(async () => (await claims()).length === 1);
  gate.hold(StatefulSet);
  await client.delete(StatefulSet, at, { propagationPolicy: 'Background' });
  const [claim] = await claims();
  await client.delete(PersistentVolumeClaim, claim!.metadata);
  await client.delete(Pod, { name: `${name}-0`, namespace }, { gracePeriodSeconds: 0 });
  await clock.advance(60_000);
  assert.deepEqual(await claims(), []);
});

for (const { type, controller, draft } of cases.filter(({ makes }) => makes === Pod))
  test(`a ${type.kind} that is gone, though its cache does not know, takes no pod in`, async () => {
    const gate = new Gate();
    await using cluster = await createCluster({
      controllers: [...everywhere, controller],
      wrapTransport: (transport) => gate.wrap(transport),
    });
    const { client, clock } = cluster;
    const owner = await client.create(type, draft);
    await cluster.until(async () => (await ofOwner(cluster, Pod)).length > 0);
    await clock.advance(10_000);
    gate.hold(type);
    await client.delete(type, at, { propagationPolicy: 'Background' });
    const [pod] = await ofOwner(cluster, Pod);
    const { uid } = pod!.metadata;
    const orphaned = [{ $patch: 'delete', uid: owner.metadata.uid }];
    await client.patch(
      Pod,
      pod!.metadata,
      { metadata: { ownerReferences: orphaned } },
      { type: 'strategic' },
    );
    await clock.advance(60_000);
    const left = (await client.list(Pod, { namespace })).items.find((one) => one.metadata.uid === uid);
    assert.equal(left && controllerOf(left), undefined);
    assert.ok(left);
  });

function podWithOwnVolume(): Draft<Pod> {
  const { spec } = claimTemplate;
  return sparse<Draft<Pod>>({
    metadata: at,
    spec: {
      containers: [{ name: 'c', image: 'x' }],
      volumes: [{ name: 'tmp', ephemeral: { volumeClaimTemplate: { spec } } }],
    },
  });
}

async function ofOwner(cluster: Cluster, type: ResourceType, owner?: KubeObject): Promise<KubeObject[]> {
  const { items } = await cluster.client.list(type, { namespace });
  return items.filter((one) => {
    const controller = controllerOf(one);
    return controller?.name === name && (!owner || controller.uid === owner.metadata.uid);
  });
}

async function uidsOf(cluster: Cluster, type: ResourceType): Promise<string[]> {
  return (await cluster.client.list(type, { namespace })).items.map((one) => one.metadata.uid);
}

async function remove({ client }: Cluster, type: ResourceType, { metadata }: KubeObject): Promise<void> {
  if (metadata.finalizers)
    await client.patch(type, metadata, { metadata: { finalizers: null } }, { type: 'merge' });
  await client.delete(type, metadata, { gracePeriodSeconds: 0 });
}

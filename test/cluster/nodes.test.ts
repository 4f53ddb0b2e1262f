import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment, Event, Lease, Node, Pod, StatefulSet } from '../../src/api/resources.gen.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { deploymentOf, statefulSetOf } from './workloads.ts';

const namespace = 'default';
const readiness = async (cluster: Cluster, name: string) =>
  (await cluster.client.get(Node, { name })).status?.conditions?.find(
    (condition) => condition.type === 'Ready',
  )?.status;

test('a node that goes silent is Unknown after 40 s; its pods move after their toleration, a StatefulSet waits', async () => {
  await using cluster = await createCluster({ nodes: 3 });
  const { client, clock } = cluster;
  await client.create(Deployment, deploymentOf('web', 3));
  await client.create(StatefulSet, statefulSetOf('db', 3));
  const settled = async () =>
    (await client.get(Deployment, { name: 'web', namespace })).status?.availableReplicas === 3 &&
    (await client.get(StatefulSet, { name: 'db', namespace })).status?.readyReplicas === 3;
  await cluster.until(settled);
  const before = (await client.list(Pod, { namespace })).items;
  const lost = before.find((pod) => pod.metadata.name.startsWith('db'))!.spec!.nodeName!;
  const silent = cluster.nodes.find((node) => node.name === lost)!;
  silent.isSilent = true;

  // Its last lease is up to ten seconds old.
  await clock.advance(29_000);
  assert.equal(await readiness(cluster, lost), 'True');
  await clock.advance(12_000);
  assert.equal(await readiness(cluster, lost), 'Unknown');
  const taints = (await client.get(Node, { name: lost })).spec?.taints?.map(
    ({ key, effect }) => `${key}:${effect}`,
  );
  assert.deepEqual(taints?.sort(), [
    'node.kubernetes.io/unreachable:NoExecute',
    'node.kubernetes.io/unreachable:NoSchedule',
  ]);

  await clock.advance(285_000);
  assert.ok(
    (await client.list(Pod, { namespace })).items.every((pod) => !pod.metadata.deletionTimestamp),
    'too soon',
  );
  await clock.advance(60_000);
  const pods = (await client.list(Pod, { namespace })).items;
  const onLost = pods.filter((pod) => pod.spec?.nodeName === lost);
  assert.ok(
    onLost.length > 0 && onLost.every((pod) => pod.metadata.deletionTimestamp),
    'they are on their way out',
  );
  const web = pods.filter((pod) => pod.metadata.labels?.app === 'web' && pod.spec?.nodeName !== lost);
  assert.equal(web.length, 3);
  // Never two pods of one ordinal: the lost one may still run.
  const db = pods.filter((pod) => pod.metadata.labels?.app === 'db').map((pod) => pod.metadata.name);
  assert.deepEqual(db.sort(), ['db-0', 'db-1', 'db-2']);
  assert.ok(pods.some((pod) => pod.metadata.name.startsWith('db') && pod.metadata.deletionTimestamp));

  silent.isSilent = false;
  await cluster.until(async () => (await settled()) && (await readiness(cluster, lost)) === 'True', 120_000);
  assert.deepEqual((await client.get(Node, { name: lost })).spec?.taints ?? [], []);
});

test('controllers that were stopped for a while give nodes time to be heard before they take them for lost', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { clock } = cluster;
  for (const node of cluster.nodes) node.isSilent = true;
  clock.stall(600_000);
  await clock.advance(15_000);
  const [returns, lost] = cluster.nodes.map(({ name }) => name) as [string, string];
  assert.equal(await readiness(cluster, lost), 'True');
  cluster.nodes[0]!.isSilent = false;
  await clock.advance(15_000);
  assert.equal(await readiness(cluster, returns), 'True');
  assert.equal(await readiness(cluster, lost), 'Unknown');
});

test('when no node is heard of, nothing is evicted: it is the controllers that are cut off', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  await client.create(Deployment, deploymentOf('web', 2));
  await cluster.until(
    async () => (await client.get(Deployment, { name: 'web', namespace })).status?.availableReplicas === 2,
  );
  for (const node of cluster.nodes) node.isSilent = true;
  await clock.advance(900_000);
  assert.equal(await readiness(cluster, 'node1'), 'Unknown');
  const pods = (await client.list(Pod, { namespace })).items;
  assert.ok(pods.every((pod) => !pod.metadata.deletionTimestamp));
});

test('pods of a node that is deleted are removed', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, clock } = cluster;
  await client.create(Deployment, deploymentOf('web', 4));
  await cluster.until(
    async () => (await client.get(Deployment, { name: 'web', namespace })).status?.availableReplicas === 4,
  );
  cluster.nodes[0]!.isSilent = true;
  await client.delete(Node, { name: 'node1' });
  await clock.advance(120_000);
  const pods = (await client.list(Pod, { namespace })).items;
  assert.deepEqual([pods.length, pods.every((pod) => pod.spec?.nodeName === 'node2')], [4, true]);
});

test('every node has a range of addresses of its own', async () => {
  await using cluster = await createCluster({ nodes: 3 });
  await cluster.clock.advance(1_000);
  const ranges = (await cluster.client.list(Node)).items.map((node) => node.spec?.podCIDR);
  assert.deepEqual(ranges.sort(), ['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24']);
});

test('all nodes learn how long to cache Secrets and ConfigMaps when the cluster has grown or shrunk', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: ['nodettl'] });
  const { client } = cluster;
  const names = Array.from({ length: 101 }, (_, index) => `n${index}`);
  const add = (some: readonly string[]) =>
    Promise.all(some.map((name) => client.create(Node, { metadata: { name }, spec: {}, status: {} })));
  const remove = (some: readonly string[]) => Promise.all(some.map((name) => client.delete(Node, { name })));
  const allHave = async (seconds: string) =>
    (await client.list(Node)).items.every(
      ({ metadata }) => metadata.annotations?.['node.alpha.kubernetes.io/ttl'] === seconds,
    );
  await add(names.slice(0, 100));
  await cluster.until(() => allHave('0'));
  await add(names.slice(100));
  await cluster.until(() => allHave('15'));
  await remove(names.slice(90));
  await cluster.clock.advance(1_000);
  assert.ok(await allHave('15'));
  await remove(names.slice(89, 90));
  await cluster.until(() => allHave('0'));
});

test('no container of a pod runs before the rules for its traffic are in force; a pod that goes waits for none', async () => {
  const inForce = Promise.withResolvers<void>();
  let asked = 0;
  await using cluster = await createCluster({
    trafficRules: {
      inForce() {
        asked++;
        return inForce.promise;
      },
      problem: () => 'network policies could not be applied: no space left',
    },
  });
  const { client, clock } = cluster;
  const spec = { containers: [{ name: 'c', image: 'img:1' }] };
  for (const name of ['stays', 'goes']) await client.create(Pod, { metadata: { name, namespace }, spec });
  const hostNetwork = { ...spec, hostNetwork: true };
  await client.create(Pod, { metadata: { name: 'host', namespace }, spec: hostNetwork });
  const phase = async (name: string) => (await client.get(Pod, { name, namespace })).status?.phase;
  await cluster.until(async () => asked === 2 && (await phase('host')) === 'Running');
  await clock.advance(60_000);
  assert.equal(await phase('stays'), 'Pending');
  const events = (await client.list(Event, { namespace })).items;
  assert.deepEqual(
    events
      .filter(({ reason, involvedObject }) => reason === 'NetworkNotReady' && involvedObject.name === 'stays')
      .map(({ message }) => message),
    ['network is not ready: network policies could not be applied: no space left'],
  );
  await client.delete(Pod, { name: 'goes', namespace });
  const names = async () =>
    (await client.list(Pod, { namespace })).items.map(({ metadata }) => metadata.name);
  await cluster.until(async () => !(await names()).includes('goes'));
  inForce.resolve();
  await cluster.until(async () => (await phase('stays')) === 'Running');
  assert.equal(asked, 2);
});

test('the lease of a node is owned by it and goes with it', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  const at = { name: 'node2', namespace: 'kube-node-lease' };
  const { metadata } = await client.get(Node, { name: 'node2' });
  const owners = async () => (await client.get(Lease, at)).metadata.ownerReferences;
  const expected = [{ apiVersion: 'v1', kind: 'Node', name: 'node2', uid: metadata.uid }];
  await cluster.until(async () => (await owners()) !== undefined, 30_000);
  assert.deepEqual(await owners(), expected);
  cluster.nodes.find(({ name }) => name === 'node2')!.isSilent = true;
  await client.delete(Node, { name: 'node2' });
  const isGone = async () =>
    client.get(Lease, at).then(
      () => false,
      (error: { code?: number }) => error.code === 404,
    );
  await cluster.until(isGone, 60_000);
});

test('a node that comes and goes is reported in events', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  const [, node] = cluster.nodes;
  const { uid } = (await client.get(Node, { name: node!.name })).metadata;
  const messages = async () =>
    (await client.list(Event, { namespace })).items
      .filter(({ involvedObject }) => involvedObject.uid === uid)
      .filter(({ source }) => source?.component === 'node-controller')
      .map(({ reason, message }) => `${reason}: ${message}`);
  const came = `RegisteredNode: Node ${node!.name} event: Registered Node ${node!.name} in Controller`;
  const went = `RemovingNode: Node ${node!.name} event: Removing Node ${node!.name} from Controller`;
  await cluster.until(async () => (await messages()).length > 0);
  assert.deepEqual(await messages(), [came]);
  node!.isSilent = true;
  await client.delete(Node, { name: node!.name });
  await cluster.until(async () => (await messages()).length > 1);
  assert.deepEqual(await messages(), [came, went]);
});

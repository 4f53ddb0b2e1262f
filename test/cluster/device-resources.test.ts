/** Extended resources that devices provide, from the class that names one to the release of the claim for a pod. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  DeviceClass,
  Node,
  Pod,
  ResourceClaim,
  ResourceQuota,
  ResourceSlice,
} from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, type ClusterOptions, createCluster } from './cluster.ts';

const driver = 'gpu.example.com';
const gpu = 'example.com/gpu';
const ofClass = 'deviceclass.resource.kubernetes.io/gpu';
const at = (name: string) => ({ namespace: 'default', name });

/** Each node has two devices. */
async function clusterWithDevices(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await createCluster(options);
  for (const { name } of cluster.nodes)
    await cluster.client.create(ResourceSlice, {
      metadata: { name: `slice-${name}` },
      spec: {
        driver,
        nodeName: name,
        pool: { name, generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu-0' }, { name: 'gpu-1' }],
      },
    } as Draft<ResourceSlice>);
  return cluster;
}

function createClass(client: Client, name = 'gpu', extendedResourceName = gpu): Promise<DeviceClass> {
  const selectors = [{ cel: { expression: `device.driver == "${driver}"` } }];
  return client.create(DeviceClass, { metadata: { name }, spec: { selectors, extendedResourceName } });
}

function createPod(client: Client, name: string, limits: Record<string, string>): Promise<Pod> {
  const containers = [{ name: 'c', image: 'busybox', resources: { limits } }];
  return client.create(Pod, {
    metadata: at(name),
    spec: { terminationGracePeriodSeconds: 0, containers },
  });
}

const phaseOf = async (client: Client, name: string) => (await client.get(Pod, at(name))).status?.phase;
const isRunning = (client: Client, name: string) => async () => (await phaseOf(client, name)) === 'Running';
const claimsIn = async (client: Client) => (await client.list(ResourceClaim, { namespace: 'default' })).items;
const devicesOf = ({ status }: ResourceClaim) =>
  status?.allocation?.devices?.results?.map(({ device, request }) => `${request}: ${device}`);
const whyPending = async (client: Client, name: string) =>
  (await client.get(Pod, at(name))).status?.conditions?.find(({ reason }) => reason === 'Unschedulable')
    ?.message ?? '';

test('a pod that wants a resource of a class gets devices, and a claim that goes with it', async () => {
  await using cluster = await clusterWithDevices();
  const { client } = cluster;
  await createPod(client, 'first', { [gpu]: '1', [ofClass]: '1' });
  await cluster.until(async () => (await whyPending(client, 'first')) !== '');
  assert.match(
    await whyPending(client, 'first'),
    /^0\/1 nodes are available: 1 Insufficient deviceclass\.resource\.kubernetes\.io\/gpu, 1 Insufficient example\.com\/gpu\./,
  );

  await createClass(client);
  await cluster.until(isRunning(client, 'first'));
  assert.match(cluster.metrics.expose(), /^scheduler_resourceclaim_creates_total\{status="success"\} 1$/m);
  const [claim, ...others] = await claimsIn(client);
  assert.deepEqual(others, []);
  assert.match(claim!.metadata.name, /^first-extended-resources-/);
  assert.equal(claim!.metadata.annotations?.['resource.kubernetes.io/extended-resource-claim'], 'true');
  assert.equal(claim!.metadata.ownerReferences?.[0]?.name, 'first');
  assert.deepEqual(
    claim!.status?.reservedFor?.map(({ name }) => name),
    ['first'],
  );
  assert.deepEqual(devicesOf(claim!)?.sort(), [
    'container-0-request-0: gpu-0',
    'container-0-request-1: gpu-1',
  ]);
  assert.deepEqual((await client.get(Pod, at('first'))).status?.extendedResourceClaimStatus, {
    resourceClaimName: claim!.metadata.name,
    requestMappings: [
      { containerName: 'c', resourceName: ofClass, requestName: 'container-0-request-0' },
      { containerName: 'c', resourceName: gpu, requestName: 'container-0-request-1' },
    ],
  });

  await createPod(client, 'second', { [gpu]: '1' });
  await cluster.until(async () => (await whyPending(client, 'second')) !== '');
  assert.match(
    await whyPending(client, 'second'),
    /^0\/1 nodes are available: 1 cannot allocate all claims\./,
  );
  await client.delete(Pod, at('first'));
  await cluster.until(isRunning(client, 'second'));
  await cluster.until(async () => (await claimsIn(client)).length === 1);
  assert.match((await claimsIn(client))[0]!.metadata.name, /^second-/);
});

test('a pod that has ended gives the devices of its extended resources back', async () => {
  await using cluster = await clusterWithDevices();
  const { client } = cluster;
  await createClass(client);
  const resources = { limits: { [gpu]: '2' } };
  await client.create(Pod, {
    metadata: at('once'),
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'sleep 5'], resources }],
    },
  });
  await cluster.until(isRunning(client, 'once'));
  assert.equal((await claimsIn(client)).length, 1);
  await cluster.until(async () => (await phaseOf(client, 'once')) === 'Succeeded');
  await cluster.until(async () => (await claimsIn(client)).length === 0);
});

test('where device plugins offer the resource they provide it, and devices do elsewhere', async () => {
  await using cluster = await clusterWithDevices({ nodes: 2 });
  const { client, nodes } = cluster;
  await createClass(client);
  const [ofPlugins, ofDevices] = nodes.map(({ name }) => name) as [string, string];
  const node = await client.get(Node, { name: ofPlugins });
  const { capacity, allocatable } = node.status!;
  const status = {
    ...node.status,
    capacity: { ...capacity, [gpu]: '1' },
    allocatable: { ...allocatable, [gpu]: '1' },
  };
  await client.update(Node, { ...node, status }, { subresource: 'status' });
  await cluster.clock.advance(1_000);
  for (const name of ['a', 'b', 'c']) await createPod(client, name, { [gpu]: '1' });
  const placed = async () =>
    Promise.all(['a', 'b', 'c'].map(async (name) => await client.get(Pod, at(name))));
  await cluster.until(async () => (await placed()).every(({ spec }) => spec.nodeName));
  const withClaims = (await placed()).filter(({ status }) => status?.extendedResourceClaimStatus);
  assert.deepEqual(
    withClaims.map(({ spec }) => spec.nodeName),
    [ofDevices, ofDevices],
  );
  assert.equal((await claimsIn(client)).length, 2);
});

test('zero of a resource needs no device', async () => {
  await using cluster = await clusterWithDevices();
  const { client } = cluster;
  await createClass(client);
  await createPod(client, 'none', { [gpu]: '0' });
  await cluster.until(isRunning(client, 'none'));
  assert.deepEqual(await claimsIn(client), []);
  assert.equal((await client.get(Pod, at('none'))).status?.extendedResourceClaimStatus, undefined);
});

test('a quota of the resource counts devices once, whether a pod wants the resource or claims them', async () => {
  await using cluster = await clusterWithDevices({ nodes: 2 });
  const { client } = cluster;
  const devices = 'gpu.deviceclass.resource.k8s.io/devices';
  const hard = { pods: '10', [`requests.${gpu}`]: '3', [`requests.${ofClass}`]: '5', [devices]: '3' };
  await client.create(ResourceQuota, { metadata: at('q'), spec: { hard } });
  await createClass(client);
  await cluster.clock.advance(1_000);
  const used = async () => (await client.get(ResourceQuota, at('q'))).status?.used;
  const isCounted = (amounts: Record<string, string>) => async () =>
    JSON.stringify(Object.entries({ ...(await used()) }).sort()) ===
    JSON.stringify(Object.entries(amounts).sort());
  const all = (amount: string) => ({
    [`requests.${gpu}`]: amount,
    [`requests.${ofClass}`]: amount,
    [devices]: amount,
  });

  await createPod(client, 'wants', { [gpu]: '1' });
  await cluster.until(isRunning(client, 'wants'));
  await cluster.until(isCounted({ pods: '1', ...all('1') }));
  const exactly = { deviceClassName: 'gpu' };
  const claim = (name: string, count: number): Draft<ResourceClaim> => ({
    metadata: at(name),
    spec: { devices: { requests: [{ name: 'r', exactly: { ...exactly, count } }] } },
  });
  await assert.rejects(client.create(ResourceClaim, claim('large', 3)), {
    message: /exceeded quota: q, requested: .*requests\.example\.com\/gpu=3.* limited: /,
  });
  await client.create(ResourceClaim, claim('claims', 2));
  assert.ok(await isCounted({ pods: '1', ...all('3') })());
  await cluster.clock.advance(10_000);
  assert.ok(await isCounted({ pods: '1', ...all('3') })(), 'a recount says the same');
  await assert.rejects(createPod(client, 'more', { [gpu]: '1' }), { message: /exceeded quota: q/ });
  await client.delete(Pod, at('wants'));
  await cluster.until(isCounted({ pods: '0', ...all('2') }));
});

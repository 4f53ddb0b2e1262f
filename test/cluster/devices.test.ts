import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  DeviceClass,
  Event,
  Pod,
  ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
} from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, type ClusterOptions, createCluster } from './cluster.ts';
import { Gate } from './gate.ts';

const driver = 'gpu.example.com';
const at = (name: string) => ({ namespace: 'default', name });
const devices = {
  requests: [
    { name: 'gpu', exactly: { deviceClassName: 'gpu', allocationMode: 'ExactCount' as const, count: 1 } },
  ],
};

/** A node with two devices. */
async function clusterWithDevices(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await createCluster(options);
  const { client } = cluster;
  const selectors = [{ cel: { expression: `device.driver == "${driver}"` } }];
  await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: { selectors } });
  await client.create(ResourceSlice, {
    metadata: { name: 'slice' },
    spec: {
      driver,
      nodeName: cluster.nodes[0]!.name,
      pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'gpu-0' }, { name: 'gpu-1' }],
    },
  } as Draft<ResourceSlice>);
  return cluster;
}

function pod(name: string, claim: object): Draft<Pod> {
  const resources = { claims: [{ name: 'device' }] };
  return {
    metadata: { ...at(name) },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: 'busybox', resources }],
      resourceClaims: [{ name: 'device', ...claim }],
    },
  };
}

const devicesOf = (claim: ResourceClaim) =>
  claim.status?.allocation?.devices?.results?.map(({ device }) => device);
const phaseOf = async (client: Client, name: string) => (await client.get(Pod, at(name))).status?.phase;

test('claims made from a template get a device each, and give it back with their pod', async () => {
  await using cluster = await clusterWithDevices();
  const { client } = cluster;
  const claims = async () => (await client.list(ResourceClaim, { namespace: 'default' })).items;
  const template = { metadata: at('gpu'), spec: { spec: { devices } } };
  const ask = (name: string) => client.create(Pod, pod(name, { resourceClaimTemplateName: 'gpu' }));
  await ask('first');
  await cluster.clock.advance(1_000);
  const [event] = (await client.list(Event, { namespace: 'default' })).items.filter(
    ({ reason }) => reason === 'FailedResourceClaimCreation',
  );
  assert.match(
    event?.message ?? '',
    /^PodResourceClaim device: resource claim template "gpu": .* not found$/,
  );

  await client.create(ResourceClaimTemplate, template);
  await cluster.until(async () => (await phaseOf(client, 'first')) === 'Running');
  await ask('second');
  await cluster.until(async () => (await phaseOf(client, 'second')) === 'Running');
  assert.deepEqual((await claims()).flatMap(devicesOf).sort(), ['gpu-0', 'gpu-1']);
  const { status } = await client.get(Pod, at('first'));
  const claimName = status!.resourceClaimStatuses![0]!.resourceClaimName!;
  assert.match(claimName, /^first-device-/);
  const claim = await client.get(ResourceClaim, at(claimName));
  assert.deepEqual(
    claim.status?.reservedFor?.map(({ name }) => name),
    ['first'],
  );
  assert.equal(claim.metadata.annotations?.['resource.kubernetes.io/pod-claim-name'], 'device');
  assert.match(claim.status?.allocation?.allocationTimestamp ?? '', /^2026-01-01T00:\d\d:\d\dZ$/);

  await ask('third');
  const refused = async () =>
    (await client.get(Pod, at('third'))).status?.conditions?.find(({ reason }) => reason === 'Unschedulable');
  await cluster.until(async () => /cannot allocate all claims/.test((await refused())?.message ?? ''));
  assert.match((await refused())!.message!, /^0\/1 nodes are available: 1 cannot allocate all claims\./);

  await client.delete(Pod, at('first'));
  await cluster.until(async () => (await phaseOf(client, 'third')) === 'Running');
  await cluster.until(async () => (await claims()).length === 2);
  assert.deepEqual((await claims()).flatMap(devicesOf).sort(), ['gpu-0', 'gpu-1']);
});

test('a claim that pods share stays until the last of them is gone', async () => {
  await using cluster = await clusterWithDevices();
  const { client } = cluster;
  for (const name of ['a', 'b']) await client.create(Pod, pod(name, { resourceClaimName: 'shared' }));
  await cluster.clock.advance(1_000);
  // Pods whose claims do not exist are not tried, and so not reported either.
  for (const name of ['a', 'b'])
    assert.equal((await client.get(Pod, at(name))).status?.conditions, undefined);
  await client.create(ResourceClaim, { metadata: at('shared'), spec: { devices } });
  for (const name of ['a', 'b']) await cluster.until(async () => (await phaseOf(client, name)) === 'Running');
  const claim = await client.get(ResourceClaim, at('shared'));
  assert.deepEqual(claim.status?.reservedFor?.map(({ name }) => name).sort(), ['a', 'b']);
  assert.deepEqual(devicesOf(claim), ['gpu-0']);
  assert.deepEqual(claim.status?.allocation?.nodeSelector?.nodeSelectorTerms[0]?.matchFields?.[0]?.values, [
    cluster.nodes[0]!.name,
  ]);

  await client.delete(ResourceClaim, at('shared'));
  await client.delete(Pod, at('a'));
  await cluster.clock.advance(5_000);
  const kept = await client.get(ResourceClaim, at('shared'));
  assert.deepEqual(
    kept.status?.reservedFor?.map(({ name }) => name),
    ['b'],
  );
  await client.delete(Pod, at('b'));
  await cluster.until(
    async () => (await client.list(ResourceClaim, { namespace: 'default' })).items.length === 0,
  );
});

test('a selector that fails on the devices of one node keeps the pod pending, though another node would do', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, nodes } = cluster;
  await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  for (const [index, attributes] of [{ exists: { bool: true } }, {}].entries())
    await client.create(ResourceSlice, {
      metadata: { name: `slice-${index}` },
      spec: {
        driver,
        nodeName: nodes[index]!.name,
        pool: { name: `pool-${index}`, generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu', attributes }],
      },
    } as Draft<ResourceSlice>);
  const expression = `device.attributes["${driver}"].exists`;
  const exactly = { deviceClassName: 'gpu', selectors: [{ cel: { expression } }] };
  await client.create(ResourceClaim, {
    metadata: at('claim'),
    spec: { devices: { requests: [{ name: 'gpu', exactly }] } },
  } as Draft<ResourceClaim>);
  await client.create(Pod, pod('one', { resourceClaimName: 'claim' }));
  const condition = async () =>
    (await client.get(Pod, at('one'))).status?.conditions?.find(({ type }) => type === 'PodScheduled');
  await cluster.until(async () => (await condition())?.reason === 'SchedulerError');
  assert.equal((await condition())?.status, 'False');
  assert.match(
    (await condition())?.message ?? '',
    /^running "DynamicResources" filter plugin: claim default\/claim: selector #0: CEL runtime error: no such key: exists/,
  );
});

test('a claim that a failed binding left allocated where its pod cannot go is given back', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client, nodes } = cluster;
  await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  for (const [index, { name }] of nodes.entries())
    await client.create(ResourceSlice, {
      metadata: { name: `slice-${index}` },
      spec: {
        driver,
        nodeName: name,
        pool: { name: `pool-${index}`, generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu' }],
      },
    } as Draft<ResourceSlice>);
  await client.create(ResourceClaim, { metadata: at('claim'), spec: { devices } } as Draft<ResourceClaim>);
  await client.create(Pod, pod('first', { resourceClaimName: 'claim' }));
  await cluster.until(async () => (await phaseOf(client, 'first')) === 'Running');
  const { status, spec } = await client.get(Pod, at('first'));
  assert.ok(status);
  const there = spec.nodeName!;
  const { status: held } = await client.get(ResourceClaim, at('claim'));
  await client.delete(Pod, at('first'));
  await cluster.until(async () => !(await client.get(ResourceClaim, at('claim'))).status?.allocation);
  const left = await client.get(ResourceClaim, at('claim'));
  await client.update(
    ResourceClaim,
    { ...left, status: { allocation: held!.allocation! } },
    { subresource: 'status' },
  );
  const elsewhere = nodes.find(({ name }) => name !== there)!.name;
  const second = pod('second', { resourceClaimName: 'claim' });
  await client.create(Pod, {
    ...second,
    spec: { ...second.spec!, nodeSelector: { 'kubernetes.io/hostname': elsewhere } },
  });
  await cluster.until(async () => (await phaseOf(client, 'second')) === 'Running');
  const claim = await client.get(ResourceClaim, at('claim'));
  assert.deepEqual(
    claim.status?.allocation?.devices?.results?.map(({ pool }) => pool),
    [`pool-${nodes.findIndex(({ name }) => name === elsewhere)}`],
  );
});

test('a pod keeps the device that it was given, though the cache shows an earlier pod of its name', async () => {
  const gate = new Gate();
  await using cluster = await clusterWithDevices({ wrapTransport: (transport) => gate.wrap(transport) });
  const { client, clock } = cluster;
  await client.create(ResourceClaim, { metadata: at('shared'), spec: { devices } } as Draft<ResourceClaim>);
  await client.create(Pod, pod('one', { resourceClaimName: 'shared' }));
  await cluster.until(async () => (await phaseOf(client, 'one')) === 'Running');
  await clock.advance(1_000);

  gate.hold(Pod);
  await client.delete(Pod, at('one'), { gracePeriodSeconds: 0 });
  const { metadata } = await client.create(Pod, pod('one', { resourceClaimName: 'shared' }));
  const users = async () =>
    (await client.get(ResourceClaim, at('shared'))).status?.reservedFor?.map(({ uid }) => uid);
  await cluster.until(async () => (await phaseOf(client, 'one')) === 'Running');
  await clock.advance(5_000);
  assert.ok((await users())?.includes(metadata.uid));
  gate.release();
  await clock.advance(5_000);
  assert.deepEqual(await users(), [metadata.uid]);
});

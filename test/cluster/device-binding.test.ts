/** Devices that their driver prepares for a pod before it is bound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { DeviceClass, Event, Pod, ResourceClaim, ResourceSlice } from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, createCluster } from './cluster.ts';

const driver = 'gpu.example.com';
const gpu = 'example.com/gpu';
const at = (name: string) => ({ namespace: 'default', name });
const conditions = { bindingConditions: ['Attached'], bindingFailureConditions: ['Failed'] };

/** Devices that any of the nodes can have attached: `spare` only where a test says so. */
async function clusterWithDevices(devices: object[]): Promise<Cluster> {
  const cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: { extendedResourceName: gpu } });
  await client.create(ResourceSlice, {
    metadata: { name: 'fabric' },
    spec: {
      driver,
      allNodes: true,
      pool: { name: 'fabric', generation: 1, resourceSliceCount: 1 },
      devices,
    },
  } as Draft<ResourceSlice>);
  return cluster;
}

const fabric = (name: string) => ({ name, bindsToNode: true, ...conditions });

async function createPodWithClaim(client: Client, names = ['web']): Promise<void> {
  const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }];
  await client.create(ResourceClaim, {
    metadata: at('claim'),
    spec: { devices: { requests } },
  } as Draft<ResourceClaim>);
  for (const name of names) await client.create(Pod, podWithClaim(name));
}

function podWithClaim(name: string): Draft<Pod> {
  return {
    metadata: at(name),
    spec: {
      containers: [{ name: 'c', image: 'busybox', resources: { claims: [{ name: 'device' }] } }],
      resourceClaims: [{ name: 'device', resourceClaimName: 'claim' }],
    },
  };
}

/** The driver tells how a device is. */
async function report(client: Client, claim: ResourceClaim, type: string): Promise<void> {
  const current = await client.get(ResourceClaim, at(claim.metadata.name));
  const { pool, device } = deviceOf(current)!;
  const condition = {
    type,
    status: 'True',
    reason: 'Testing',
    message: 'the test says so',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const devices = [{ driver, pool, device, conditions: [condition] }];
  const next = { ...current, status: { ...current.status, devices } } as ResourceClaim;
  await client.update(ResourceClaim, next, { subresource: 'status' });
}

const deviceOf = ({ status }: ResourceClaim) => status?.allocation?.devices?.results?.[0];
const claimIn = async (client: Client): Promise<ResourceClaim | undefined> =>
  (await client.list(ResourceClaim, { namespace: 'default' })).items[0];
const isBound = async (client: Client, name = 'web') =>
  (await client.get(Pod, at(name))).spec.nodeName !== undefined;
const has = (client: Client, device: string) => async () => {
  const claim = await claimIn(client);
  return claim !== undefined && deviceOf(claim)?.device === device;
};
const eventsOf = async (client: Client) =>
  (await client.list(Event, { namespace: 'default' })).items.map(
    ({ reason, message }) => `${reason}: ${message}`,
  );

test('a pod is bound once its device is ready, on the node where that is then', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0')]);
  const { client } = cluster;
  await createPodWithClaim(client);
  await cluster.until(has(client, 'gpu-0'));
  await cluster.clock.advance(300_000);
  assert.equal(await isBound(client), false);
  const { status } = await client.get(Pod, at('web'));
  const waits = `BindingConditionsPending: waiting for binding conditions for device on node ${status!.nominatedNodeName}`;
  assert.ok((await eventsOf(client)).includes(waits));
  const claim = await client.get(ResourceClaim, at('claim'));
  assert.deepEqual(deviceOf(claim)?.bindingConditions, conditions.bindingConditions);
  assert.deepEqual(deviceOf(claim)?.bindingFailureConditions, conditions.bindingFailureConditions);
  assert.deepEqual(claim.status?.allocation?.nodeSelector?.nodeSelectorTerms[0]?.matchFields?.[0]?.values, [
    status!.nominatedNodeName,
  ]);
  await report(client, claim, 'Attached');
  await cluster.until(() => isBound(client));
  assert.equal((await client.get(Pod, at('web'))).spec.nodeName, status!.nominatedNodeName);
});

test('a pod whose device fails gets another, and the device is not reported on any longer', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0')]);
  const { client } = cluster;
  await createPodWithClaim(client);
  await cluster.until(has(client, 'gpu-0'));
  const slice = await client.get(ResourceSlice, { name: 'fabric' });
  const taints = [{ key: 'broken', effect: 'NoSchedule' as const }];
  const devices = [{ ...slice.spec.devices![0]!, taints }, { name: 'spare' }];
  await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, devices } });
  await report(client, (await claimIn(client))!, 'Failed');
  await cluster.until(() => isBound(client));
  const claim = await client.get(ResourceClaim, at('claim'));
  assert.equal(deviceOf(claim)?.device, 'spare');
  assert.equal(claim.status?.devices, undefined);
  const waited = (status: string) =>
    `scheduler_dra_bindingconditions_allocations_total{driver="${driver}",profile="default-scheduler",status="${status}"} 1\n`;
  assert.ok(cluster.metrics.expose().includes(waited('failure')));
  const events = (await eventsOf(client)).join('\n');
  assert.match(events, /device binding failed: claim=claim, reason=Testing, message="the test says so"/);
});

test('a device that is not ready within ten minutes is given back', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0')]);
  const { client } = cluster;
  await createPodWithClaim(client);
  await cluster.until(has(client, 'gpu-0'));
  const since = (await claimIn(client))!.status!.allocation!.allocationTimestamp!;
  await cluster.clock.advance(590_000);
  assert.doesNotMatch((await eventsOf(client)).join('\n'), /device binding timeout/);
  await cluster.until(async () =>
    /device binding timeout: claim=claim/.test((await eventsOf(client)).join()),
  );
  await cluster.until(async () => {
    const again = (await claimIn(client))!.status?.allocation?.allocationTimestamp;
    return again !== undefined && again !== since;
  });
  await report(client, (await claimIn(client))!, 'Attached');
  await cluster.until(() => isBound(client));
});

test('devices for extended resources are waited for, too, and their claim does not outlive a failure', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0')]);
  const { client } = cluster;
  const resources = { limits: { [gpu]: '1' } };
  await client.create(Pod, {
    metadata: at('web'),
    spec: { containers: [{ name: 'c', image: 'busybox', resources }] },
  });
  await cluster.until(has(client, 'gpu-0'));
  const first = (await claimIn(client))!;
  await cluster.clock.advance(10_000);
  assert.equal(await isBound(client), false);
  await report(client, first, 'Failed');
  await cluster.until(async () => {
    const claim = await claimIn(client);
    return claim !== undefined && claim.metadata.uid !== first.metadata.uid && deviceOf(claim) !== undefined;
  });
  await report(client, (await claimIn(client))!, 'Attached');
  await cluster.until(() => isBound(client));
  const { status } = await client.get(Pod, at('web'));
  assert.equal(
    status?.extendedResourceClaimStatus?.resourceClaimName,
    (await claimIn(client))!.metadata.name,
  );
});

test('pods that share a claim whose device fails share another', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0'), fabric('gpu-1')]);
  const { client } = cluster;
  await createPodWithClaim(client, ['web', 'api']);
  const users = async () => (await claimIn(client))!.status?.reservedFor?.map(({ name }) => name).sort();
  await cluster.until(async () => (await users())?.length === 2);
  const slice = await client.get(ResourceSlice, { name: 'fabric' });
  await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, devices: [fabric('gpu-1')] } });
  await report(client, (await claimIn(client))!, 'Failed');
  await cluster.until(has(client, 'gpu-1'));
  await cluster.until(async () => (await users())?.length === 2);
  await report(client, (await claimIn(client))!, 'Attached');
  for (const name of ['web', 'api']) await cluster.until(() => isBound(client, name));
  assert.deepEqual(await users(), ['api', 'web']);
});

test('a claim whose device failed for an earlier scheduler is given back', async () => {
  await using cluster = await clusterWithDevices([{ name: 'gpu-0' }]);
  const { client } = cluster;
  const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }];
  const created = await client.create(ResourceClaim, {
    metadata: at('claim'),
    spec: { devices: { requests } },
  } as Draft<ResourceClaim>);
  const results = [{ driver, pool: 'fabric', device: 'gone', request: 'r', ...conditions }];
  const allocation = { allocationTimestamp: '2026-01-01T00:00:00Z', devices: { results } };
  await client.update(ResourceClaim, { ...created, status: { allocation } }, { subresource: 'status' });
  await report(client, created, 'Failed');
  await client.create(Pod, podWithClaim('web'));
  await cluster.until(() => isBound(client));
  assert.equal(deviceOf((await claimIn(client))!)?.device, 'gpu-0');
  assert.match((await eventsOf(client)).join(), /2 resourceclaim not available on the node/);
});

test('a claim that no pod could be bound with is free again', async () => {
  await using cluster = await clusterWithDevices([fabric('gpu-0')]);
  const { client } = cluster;
  await createPodWithClaim(client);
  await cluster.until(has(client, 'gpu-0'));
  const slice = await client.get(ResourceSlice, { name: 'fabric' });
  await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, devices: [] } });
  await report(client, (await claimIn(client))!, 'Failed');
  await cluster.until(async () => (await claimIn(client))!.status?.allocation === undefined);
  await client.delete(Pod, at('web'));
  await cluster.clock.advance(60_000);
  const { status } = (await claimIn(client))!;
  assert.deepEqual(
    [status?.allocation, status?.reservedFor, status?.devices],
    [undefined, undefined, undefined],
  );
});

/** Extended resources that devices provide, where something fails on the way to a bound pod. */
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { DeviceClass, Pod, ResourceClaim, ResourceSlice } from '../api/resources.gen.ts';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

const gpu = 'example.com/gpu';

/** Two nodes with a device each. */
async function withDevices(body: (cluster: FakeCluster) => Promise<void>): Promise<void> {
  const cluster = new FakeCluster();
  const spec = { extendedResourceName: gpu };
  cluster.put(DeviceClass, { metadata: { name: 'gpu' }, spec } as DeviceClass);
  for (const nodeName of ['a', 'b']) {
    cluster.addNodes(makeNode(nodeName));
    const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 };
    const devices = [{ name: 'gpu' }];
    cluster.put(ResourceSlice, {
      metadata: { name: nodeName },
      spec: { driver: 'gpu.example.com', nodeName, pool, devices },
    } as ResourceSlice);
  }
  try {
    await body(cluster);
  } finally {
    await cluster.stop();
  }
}

const claimsIn = (cluster: FakeCluster) => [...cluster.informer(ResourceClaim).list()] as ResourceClaim[];

test('a claim that a failed binding left is deleted, and the next attempt makes another', () =>
  withDevices(async (cluster) => {
    cluster.addPods(makePod('web', { requests: { [gpu]: '1' } }));
    cluster.bindFails = () => new Error('the server is away');
    cluster.start();
    await cluster.clock.advance(0);
    const [left] = claimsIn(cluster);
    assert.equal(left?.metadata.name, 'web-extended-resources-1');

    cluster.bindFails = undefined;
    await cluster.clock.advance(60_000);
    assert.match(cluster.eventsOf('web').join(), /2 cannot schedule extended resource claim/);
    assert.match(cluster.eventsOf('web').join(), /deletion of ResourceClaim completed/);
    const [claim, ...others] = claimsIn(cluster);
    assert.deepEqual(others, []);
    assert.equal(claim?.metadata.name, 'web-extended-resources-2');
    assert.equal(
      claim?.status?.allocation?.devices?.results?.[0]?.pool,
      cluster.nodeOf('web'),
      'the device is on the node of the pod',
    );
    assert.equal(
      cluster.pod('web').status?.extendedResourceClaimStatus?.resourceClaimName,
      'web-extended-resources-2',
    );
  }));

test('a claim whose devices no node was told of is not left behind', () =>
  withDevices(async (cluster) => {
    cluster.addPods(makePod('web', { requests: { [gpu]: '1' } }));
    const { patch } = cluster.client;
    let isAway = true;
    mock.method(cluster.client, 'patch', async (...args: Parameters<typeof patch>) => {
      const { status } = args[2] as Pick<Pod, 'status'>;
      if (isAway && status?.extendedResourceClaimStatus) throw new Error('the server is away');
      return await patch(...args);
    });
    cluster.start();
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), undefined);
    assert.deepEqual(claimsIn(cluster), []);
    isAway = false;
    await cluster.clock.advance(10_000);
    assert.ok(cluster.nodeOf('web'));
    assert.equal(claimsIn(cluster).length, 1);
  }));

test('devices that are promised to a claim which is still to be created go to no other pod', () =>
  withDevices(async (cluster) => {
    for (const name of ['one', 'two', 'three']) cluster.addPods(makePod(name, { requests: { [gpu]: '1' } }));
    const written = Promise.withResolvers<void>();
    const { create } = cluster.client;
    mock.method(cluster.client, 'create', async (...args: Parameters<typeof create>) => {
      await written.promise;
      return await create(...args);
    });
    cluster.start();
    await cluster.clock.advance(0);
    written.resolve();
    assert.match(cluster.eventsOf('three').join(), /2 cannot allocate all claims/);
    await cluster.clock.advance(0);
    const held = claimsIn(cluster).map(({ status }) => status?.allocation?.devices?.results?.[0]?.pool);
    assert.deepEqual(held.sort(), ['a', 'b']);
    assert.equal(cluster.nodeOf('three'), undefined);
    cluster.delete(Pod, 'default/one');
    cluster.delete(ResourceClaim, `default/${claimsIn(cluster)[0]!.metadata.name}`);
    await cluster.clock.advance(10_000);
    assert.ok(cluster.nodeOf('three'));
  }));

test('a class that comes to provide a resource has pods tried again that want it, and only those', () =>
  withDevices(async (cluster) => {
    const nic = 'example.com/nic';
    cluster.addPods(makePod('waits', { requests: { [nic]: '1' } }));
    cluster.addPods(makePod('large', { requests: { cpu: '100' } }));
    cluster.start();
    await cluster.clock.advance(10_000);
    assert.match(cluster.eventsOf('waits').join(), /2 Insufficient example.com\/nic/);
    const nicClass = { metadata: { name: 'nic' }, spec: { extendedResourceName: nic } } as DeviceClass;
    cluster.put(DeviceClass, nicClass);
    await cluster.clock.advance(0);
    assert.ok(cluster.nodeOf('waits'));
    assert.equal(cluster.eventsOf('large').length, 1);
  }));

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { DeviceClass, Node, Pod, ResourceClaim, ResourceSlice } from '../api/resources.gen.ts';
import { sparse } from '../base/sparse.fixture.ts';
import { FakeCluster } from './cluster.fake.ts';
import { makeNode, makePod } from './objects.fake.ts';

async function withCluster(body: (cluster: FakeCluster) => Promise<void>): Promise<void> {
  const cluster = new FakeCluster();
  try {
    await body(cluster);
  } finally {
    await cluster.stop();
  }
}

test('a pod is bound to a node that has room, and an event says so', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('small', { allocatable: { cpu: '1' } }), makeNode('large'));
    cluster.addPods(makePod('web', { requests: { cpu: '2' } }));
    cluster.start();
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), 'large');
    assert.deepEqual(cluster.eventsOf('web'), ['Scheduled: Successfully assigned default/web to large']);
  }));

test("a pod that fits nowhere says why in upstream's words and is tried again when a node joins", () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'), makeNode('b'));
    cluster.addPods(makePod('web', { requests: { cpu: '6' } }));
    cluster.start();
    await cluster.clock.advance(0);
    const message = '0/2 nodes are available: 2 Insufficient cpu.';
    assert.ok(cluster.eventsOf('web')[0]?.startsWith(`FailedScheduling: ${message}`));
    const condition = cluster.pod('web').status?.conditions?.[0];
    assert.equal(condition?.reason, 'Unschedulable');
    assert.ok(condition?.message?.startsWith(message));
    cluster.addNodes(makeNode('c', { allocatable: { cpu: '8' } }));
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), 'c');
  }));

test('a node that changes nothing for a waiting pod does not make it tried again', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    cluster.addPods(makePod('web', { requests: { cpu: '6' } }));
    cluster.start();
    await cluster.clock.advance(0);
    cluster.addNodes(makeNode('b'));
    cluster.put(Node, makeNode('a', { labels: { x: 'y' } }));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.eventsOf('web').length, 1);
  }));

test('a node that was as good before does not make a waiting pod tried again', () =>
  withCluster(async (cluster) => {
    const tainted = { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } };
    const cordoned = (...taints: object[]) => ({ spec: { unschedulable: true, taints } });
    const cordonTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    cluster.addNodes(makeNode('a', tainted), makeNode('b'), makeNode('c', cordoned(cordonTaint)));
    cluster.addPods(
      makePod('web', { spec: { nodeSelector: { 'kubernetes.io/hostname': 'a' } } }),
      makePod('large', { requests: { cpu: '6' } }),
    );
    cluster.start();
    await cluster.clock.advance(0);
    const attempts = () => [cluster.eventsOf('web').length, cluster.eventsOf('large').length];
    assert.deepEqual(attempts(), [1, 1]);
    // Neither a cordon, nor a taint more on what is cordoned, nor a label that nobody asks for.
    cluster.put(Node, makeNode('b', cordoned()));
    cluster.put(Node, makeNode('b', cordoned(cordonTaint)));
    cluster.put(Node, makeNode('c', cordoned(cordonTaint, { key: 'x', effect: 'NoExecute' })));
    cluster.put(Node, makeNode('a', { ...tainted, labels: { x: 'y' } }));
    await cluster.clock.advance(60_000);
    assert.deepEqual(attempts(), [1, 1]);
    cluster.put(Node, makeNode('b', { labels: { x: 'y' } }));
    await cluster.clock.advance(60_000);
    assert.deepEqual(attempts(), [2, 2]);
    cluster.put(Node, makeNode('a'));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.nodeOf('web'), 'a');
  }));

test('what a pod on a node no longer asks for goes to others once its node says that it is given back', () =>
  withCluster(async (cluster) => {
    const asking = (cpu: string) => ({ requests: { cpu } });
    const holding = (cpu: string) => ({
      containerStatuses: [{ name: 'c', allocatedResources: { cpu }, resources: asking(cpu) }],
    });
    const resized = makePod('large', { ...asking('3'), spec: { nodeName: 'a' }, status: holding('3') });
    cluster.addNodes(makeNode('a'));
    cluster.addPods(resized, makePod('web', asking('2')));
    cluster.start();
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), undefined);
    const spec = { ...resized.spec!, containers: [{ name: 'c', image: 'busybox', resources: asking('1') }] };
    cluster.put(Pod, sparse<Pod>({ ...resized, spec }));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.nodeOf('web'), undefined);
    // The node may be done before it has said that it is about it.
    cluster.put(Pod, sparse<Pod>({ ...resized, spec, status: holding('1') }));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.nodeOf('web'), 'a');
    assert.equal(cluster.eventsOf('web').length, 2);
  }));

test('a waiting pod is tried again when it asks for less as a whole, and not when it asks for more', () =>
  withCluster(async (cluster) => {
    const web = makePod('web', { spec: { resources: { requests: { cpu: '6' } } } });
    const asking = (cpu: string) => ({ ...web, spec: { ...web.spec!, resources: { requests: { cpu } } } });
    cluster.addNodes(makeNode('a'));
    cluster.addPods(web);
    cluster.start();
    await cluster.clock.advance(0);
    cluster.put(Pod, asking('7'));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.eventsOf('web').length, 1);
    cluster.put(Pod, asking('2'));
    await cluster.clock.advance(60_000);
    assert.equal(cluster.nodeOf('web'), 'a');
  }));

test('pods of other schedulers are left alone', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    cluster.addPods(makePod('web', { spec: { schedulerName: 'mine' } }));
    cluster.start();
    await cluster.clock.advance(60_000);
    assert.equal(cluster.nodeOf('web'), undefined);
    assert.deepEqual(cluster.events, []);
  }));

test('a pod with gates waits for them, without a word', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    const pod = makePod('web', { spec: { schedulingGates: [{ name: 'g' }] } });
    cluster.addPods(pod);
    cluster.start();
    await cluster.clock.advance(60_000);
    assert.deepEqual(cluster.events, []);
    cluster.put(Pod, { ...pod, spec: { ...pod.spec!, schedulingGates: [] } });
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), 'a');
  }));

test('without any node the pod waits for the first', () =>
  withCluster(async (cluster) => {
    cluster.addPods(makePod('web'));
    cluster.start();
    await cluster.clock.advance(0);
    assert.deepEqual(cluster.eventsOf('web'), ['FailedScheduling: no nodes available to schedule pods']);
    cluster.addNodes(makeNode('a'));
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), 'a');
  }));

test('a binding that fails gives the room back and is tried again after a back-off', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a', { allocatable: { cpu: '1' } }));
    cluster.bindFails = (pod) => (pod === 'first' ? new Error('the server is away') : undefined);
    cluster.addPods(
      makePod('first', { requests: { cpu: '1' } }),
      makePod('second', { requests: { cpu: '1' } }),
    );
    cluster.start();
    await cluster.clock.advance(0);
    assert.deepEqual(cluster.eventsOf('first'), [
      'FailedScheduling: running Bind plugin "DefaultBinder": the server is away',
    ]);
    assert.equal(cluster.nodeOf('second'), 'a');
    cluster.bindFails = undefined;
    cluster.delete(Pod, 'default/second');
    await cluster.clock.advance(1_000);
    assert.equal(cluster.nodeOf('first'), 'a');
  }));

test('preemption gives no pod its devices: neither another class nor another node', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    const claimed = (name: string, deviceClassName: string, status = {}) => {
      const requests = [{ name: 'r', exactly: { deviceClassName, allocationMode: 'ExactCount', count: 1 } }];
      const metadata = { namespace: 'default', name, uid: `claim-${name}` };
      cluster.put(ResourceClaim, { metadata, spec: { devices: { requests } }, status } as ResourceClaim);
      const pod = makePod(name);
      const resourceClaims = [{ name: 'device', resourceClaimName: name }];
      cluster.addPods({ ...pod, spec: { ...pod.spec, resourceClaims } } as Pod);
    };
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['b'] }];
    claimed('classless', 'none');
    claimed('misplaced', 'none', {
      allocation: { nodeSelector: { nodeSelectorTerms: [{ matchFields }] } },
      reservedFor: [{ resource: 'pods', name: 'other', uid: 'other' }],
    });
    cluster.start();
    await cluster.clock.advance(0);
    const preempting = 'preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.';
    assert.deepEqual(cluster.eventsOf('classless'), [
      `FailedScheduling: 0/1 nodes are available: request r: device class none does not exist. no new claims to deallocate, ${preempting}`,
    ]);
    assert.deepEqual(cluster.eventsOf('misplaced'), [
      `FailedScheduling: 0/1 nodes are available: 1 resourceclaim not available on the node. still not schedulable, ${preempting}`,
    ]);
  }));

test('a pod that goes before its turn comes is passed over, which an event says', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    const pod = makePod('web');
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    cluster.addPods({ ...pod, metadata: { ...pod.metadata, deletionTimestamp } });
    cluster.start();
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('web'), undefined);
    assert.deepEqual(cluster.eventsOf('web'), ['FailedScheduling: skip schedule deleting pod: default/web']);
  }));

test('a pod that waits for devices gets those that a pod which could not be bound gives back', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    cluster.put(DeviceClass, { metadata: { name: 'gpu' }, spec: {} } as DeviceClass);
    cluster.put(ResourceSlice, {
      metadata: { name: 'slice' },
      spec: {
        driver: 'gpu.example.com',
        nodeName: 'a',
        pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu' }],
      },
    } as ResourceSlice);
    const exactly = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };
    for (const name of ['first', 'second']) {
      const metadata = { namespace: 'default', name, uid: `claim-${name}` };
      const spec = { devices: { requests: [{ name: 'gpu', exactly }] } };
      cluster.put(ResourceClaim, { metadata, spec } as ResourceClaim);
      const pod = makePod(name);
      const resourceClaims = [{ name: 'device', resourceClaimName: name }];
      cluster.addPods({ ...pod, spec: { ...pod.spec, resourceClaims } } as Pod);
    }
    const written = Promise.withResolvers<void>();
    const update = cluster.client.update;
    mock.method(cluster.client, 'update', async (...args: Parameters<typeof update>) => {
      if (args[1].metadata.name === 'first') await written.promise;
      return await update(...args);
    });
    cluster.start();
    await cluster.clock.advance(0);
    assert.match(cluster.eventsOf('second').join(), /cannot allocate all claims/);
    cluster.delete(Pod, 'default/first');
    await cluster.clock.advance(2_000);
    assert.equal(cluster.nodeOf('second'), undefined);
    written.reject(new Error('the server is away'));
    await cluster.clock.advance(10_000);
    assert.equal(cluster.nodeOf('second'), 'a');
  }));

test('a device that one profile has decided on is not to be had for pods of another', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    cluster.put(DeviceClass, { metadata: { name: 'gpu' }, spec: {} } as DeviceClass);
    cluster.put(ResourceSlice, {
      metadata: { name: 'slice' },
      spec: {
        driver: 'gpu.example.com',
        nodeName: 'a',
        pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu' }],
      },
    } as ResourceSlice);
    const exactly = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };
    for (const schedulerName of ['default-scheduler', 'mine']) {
      const metadata = { namespace: 'default', name: schedulerName, uid: `claim-${schedulerName}` };
      const spec = { devices: { requests: [{ name: 'gpu', exactly }] } };
      cluster.put(ResourceClaim, { metadata, spec } as ResourceClaim);
      const resourceClaims = [{ name: 'device', resourceClaimName: schedulerName }];
      cluster.addPods(makePod(`of-${schedulerName}`, { spec: { schedulerName, resourceClaims } }));
    }
    const written = Promise.withResolvers<void>();
    const update = cluster.client.update;
    mock.method(cluster.client, 'update', async (...args: Parameters<typeof update>) => {
      await written.promise;
      return await update(...args);
    });
    cluster.start({ profiles: [{ schedulerName: 'default-scheduler' }, { schedulerName: 'mine' }] });
    await cluster.clock.advance(0);
    written.resolve();
    assert.match(cluster.eventsOf('of-mine').join(), /cannot allocate all claims/);
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('of-default-scheduler'), 'a');
  }));

test('a clock that is set back makes no back-off longer', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a'));
    cluster.bindFails = () => new Error('the server is away');
    cluster.addPods(makePod('web'));
    cluster.start();
    await cluster.clock.advance(0);
    cluster.bindFails = undefined;
    cluster.clock.jump(-3_600_000);
    await cluster.clock.advance(1_000);
    assert.equal(cluster.nodeOf('web'), 'a');
  }));

test('more urgent pods come first', () =>
  withCluster(async (cluster) => {
    cluster.addNodes(makeNode('a', { allocatable: { cpu: '1' } }));
    cluster.addPods(
      makePod('low', { requests: { cpu: '1' }, spec: { priority: 1 } }),
      makePod('high', { requests: { cpu: '1' }, spec: { priority: 2 } }),
    );
    cluster.start();
    await cluster.clock.advance(0);
    assert.equal(cluster.nodeOf('high'), 'a');
    assert.equal(cluster.nodeOf('low'), undefined);
  }));

test('no node is over-committed, whatever order pods come, end and fail to be bound in', () =>
  withCluster(async (cluster) => {
    for (let node = 0; node < 5; node++)
      cluster.addNodes(makeNode(`n${node}`, { allocatable: { cpu: '1', pods: '8' } }));
    let binds = 0;
    cluster.bindFails = () => (binds++ % 3 === 0 ? new Error('lost') : undefined);
    cluster.start();
    for (let pod = 0; pod < 120; pod++) {
      cluster.addPods(makePod(`p${pod}`, { requests: { cpu: `${100 + (pod % 4) * 100}m` } }));
      if (pod % 10 === 9) await cluster.clock.advance(700);
      if (pod % 7 === 6) cluster.delete(Pod, `default/p${pod - 5}`);
      const used = new Map<string, number>();
      for (const object of cluster.informer(Pod).list()) {
        const { spec } = object as Pod;
        if (!spec?.nodeName) continue;
        const milli = Number.parseInt(spec.containers[0]!.resources!.requests!.cpu!, 10);
        used.set(spec.nodeName, (used.get(spec.nodeName) ?? 0) + milli);
      }
      for (const [node, milli] of used) assert.ok(milli <= 1000, `${node} holds ${milli}m`);
    }
  }));

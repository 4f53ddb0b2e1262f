import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import {
  DeviceClass,
  DeviceTaintRule,
  Event,
  Pod,
  ResourceClaim,
  ResourceSlice,
} from '../../src/api/resources.gen.ts';
import { undefinedIfNotFound } from '../../src/api/status.ts';
import type { DeviceTaint, DeviceToleration } from '../../src/api/types/resource-v1.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, createCluster } from './cluster.ts';

const driver = 'gpu.example.com';
const at = (name: string) => ({ namespace: 'default', name });

/** A pod on each of two devices: `pod-0` on `gpu-0`, `pod-1` on `gpu-1`. */
async function clusterWithPods(tolerations: DeviceToleration[] = []): Promise<Cluster> {
  const cluster = await createCluster();
  const { client } = cluster;
  await client.create(DeviceClass, { metadata: { name: 'gpu' }, spec: {} });
  await client.create(ResourceSlice, {
    metadata: { name: 'slice' },
    spec: {
      driver,
      nodeName: cluster.nodes[0]!.name,
      pool: { name: 'pool', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'gpu-0' }, { name: 'gpu-1' }],
    },
  } as Draft<ResourceSlice>);
  for (const index of [0, 1]) {
    const selectors = [{ cel: { expression: 'device.driver.startsWith("gpu")' } }];
    const exactly = { deviceClassName: 'gpu', tolerations, selectors };
    await client.create(ResourceClaim, {
      metadata: at(`claim-${index}`),
      spec: { devices: { requests: [{ name: 'gpu', exactly }] } },
    } as Draft<ResourceClaim>);
    const name = `pod-${index}`;
    await client.create(Pod, {
      metadata: at(name),
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'busybox', resources: { claims: [{ name: 'device' }] } }],
        resourceClaims: [{ name: 'device', resourceClaimName: `claim-${index}` }],
      },
    });
    await cluster.until(async () => (await client.get(Pod, at(name))).status?.phase === 'Running');
  }
  return cluster;
}

/** The driver publishes these taints on `gpu-0`. */
async function publish(client: Client, taints: Omit<DeviceTaint, 'timeAdded'>[]): Promise<void> {
  const slice = await client.get(ResourceSlice, { name: 'slice' });
  const [first, ...others] = slice.spec.devices!;
  const devices = [{ ...first!, taints }, ...others];
  await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, devices } });
}

const broken = { key: 'example.com/broken', effect: 'NoExecute' } as const;
const isGone = async (client: Client, name: string) =>
  (await client.get(Pod, at(name)).catch(undefinedIfNotFound)) === undefined;

async function messagesOf(client: Client): Promise<string[]> {
  const { items } = await client.list(Event, { namespace: 'default' });
  return items
    .filter(({ reason, source, involvedObject }) => {
      if (reason !== 'DeviceTaintManagerEviction') return false;
      assert.equal(source?.component, 'device-taint-eviction-controller');
      assert.equal(involvedObject.name, 'pod-0');
      return true;
    })
    .map(({ message = '' }) => message)
    .sort();
}

test('a pod is evicted from a device that its driver taints, and no other pod is', async () => {
  await using cluster = await clusterWithPods();
  const { client, metrics } = cluster;
  await publish(client, [{ ...broken, effect: 'NoSchedule' }]);
  await cluster.clock.advance(30_000);
  const pod = await client.get(Pod, at('pod-0'));
  assert.equal(pod.metadata.deletionTimestamp, undefined);
  // Keeps the pod after its deletion, so that its condition can be read.
  await client.update(Pod, { ...pod, metadata: { ...pod.metadata, finalizers: ['example.com/keep'] } });

  await publish(client, [broken]);
  const evicted = async () => (await client.get(Pod, at('pod-0'))).metadata.deletionTimestamp !== undefined;
  await cluster.until(evicted);
  const marked = await client.get(Pod, at('pod-0'));
  const { lastTransitionTime: _, ...condition } = marked.status!.conditions!.find(
    ({ type }) => type === 'DisruptionTarget',
  )!;
  assert.deepEqual(condition, {
    type: 'DisruptionTarget',
    lastProbeTime: null,
    status: 'True',
    reason: 'DeletionByDeviceTaintManager',
    message: 'Device Taint manager: deleting due to NoExecute taint',
  });
  const latest = await client.get(Pod, at('pod-0'));
  await client.update(Pod, { ...latest, metadata: { ...latest.metadata, finalizers: [] } });
  await cluster.until(() => isGone(client, 'pod-0'));
  await cluster.clock.advance(60_000);
  assert.equal((await client.get(Pod, at('pod-1'))).metadata.deletionTimestamp, undefined);
  assert.deepEqual(await messagesOf(client), ['Marking for deletion']);
  const exposed = metrics.expose();
  assert.match(exposed, /^device_taint_eviction_controller_pod_deletions_total 1$/m);
  assert.match(exposed, /^device_taint_eviction_controller_pod_deletion_duration_seconds_count 1$/m);
});

test('a toleration with a limit puts the eviction off, also while no controller runs, and an end of the taint calls it off', async () => {
  await using cluster = await clusterWithPods([
    { key: broken.key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 },
  ]);
  const { client, clock } = cluster;
  await publish(client, [broken]);
  await clock.advance(40_000);
  await publish(client, []);
  await clock.advance(60_000);
  assert.deepEqual(await messagesOf(client), ['Cancelling deletion']);

  await publish(client, [broken]);
  const taintedMs = clock.now();
  await clock.advance(20_000);
  await cluster.stopControllers();
  await clock.advance(20_000);
  cluster.startControllers();
  await clock.advance(15_000);
  assert.equal(await isGone(client, 'pod-0'), false);
  await cluster.until(() => isGone(client, 'pod-0'));
  const tookMs = clock.now() - taintedMs;
  assert.ok(tookMs >= 59_000 && tookMs <= 62_000, `evicted after ${tookMs} ms`);
  assert.deepEqual(await messagesOf(client), ['Cancelling deletion', 'Marking for deletion']);
});

test('a DeviceTaintRule tells what it would do, then evicts, and tells how far it is', async () => {
  await using cluster = await clusterWithPods([
    { key: broken.key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 },
  ]);
  const { client, clock } = cluster;
  const told = async () => {
    const { status } = await client.get(DeviceTaintRule, { name: 'rule' });
    const [condition, ...others] = status?.conditions ?? [];
    assert.deepEqual(others, []);
    return condition && [condition.type, condition.status, condition.reason, condition.message];
  };
  await client.create(DeviceTaintRule, {
    metadata: { name: 'rule' },
    spec: { deviceSelector: { device: 'gpu-0' }, taint: { key: broken.key, effect: 'None' } },
  } as Draft<DeviceTaintRule>);
  await clock.advance(1_000);
  assert.deepEqual(await told(), [
    'EvictionInProgress',
    'False',
    'NoEffect',
    '1 published device selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace if the effect was NoExecute. This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.',
  ]);

  const rule = await client.get(DeviceTaintRule, { name: 'rule' });
  const taint = { ...rule.spec.taint, effect: 'NoExecute' as const };
  await client.update(DeviceTaintRule, { ...rule, spec: { ...rule.spec, taint } });
  await clock.advance(1_000);
  assert.deepEqual(await told(), [
    'EvictionInProgress',
    'True',
    'PodsPendingEviction',
    '1 pod needs to be evicted in 1 namespace.',
  ]);
  assert.equal(
    (await client.get(DeviceTaintRule, { name: 'rule' })).status?.conditions?.[0]?.observedGeneration,
    2,
  );
  await clock.advance(20_000);
  assert.equal(await isGone(client, 'pod-0'), false);
  await cluster.until(() => isGone(client, 'pod-0'));
  await clock.advance(11_000);
  assert.deepEqual(await told(), [
    'EvictionInProgress',
    'False',
    'Completed',
    '1 pod evicted since starting the controller.',
  ]);
  assert.equal(await isGone(client, 'pod-1'), false);
});

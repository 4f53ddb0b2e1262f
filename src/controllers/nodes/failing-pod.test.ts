import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import { type Node, Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { ControllerEnvironment, ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { pod } from '../objects.fixture.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';
import { runPodGc } from './pod-gc.ts';
import { taintEvictionController } from './taint-eviction.ts';

/** A webhook that refuses any write to the first of three pods. */
const names = ['guarded', 'b', 'c'];
const touch = async (_type: unknown, { metadata }: KubeObject) => {
  if (metadata.name === 'guarded') throw new StatusError(403, 'Forbidden', 'denied the request');
};

function clusterOf(node: Node, pods: readonly Pod[], more: object) {
  const informer = (type: ResourceType) => ({
    addIndex: () => undefined,
    byIndex: () => pods,
    list: () => (type.kind === 'Node' ? [node, sparse<Node>({ metadata: { name: 'other' } })] : pods),
  });
  return sparse<ReconcileCluster>({
    get: (type: ResourceType) => (type.kind === 'Node' ? node : undefined),
    informer,
    clock: new VirtualClock(),
    logger: silentLogger,
    event: () => undefined,
    ...more,
  });
}

test('a pod that cannot be evicted keeps no other of its node, and is tried again', async () => {
  const node = sparse<Node>({
    metadata: { name: 'n' },
    spec: { taints: [{ key: 'x', effect: 'NoExecute', timeAdded: '2025-12-31T00:00:00Z' }] },
  });
  const evicted: string[] = [];
  const cluster = clusterOf(
    node,
    names.map((name) => pod(name, { node: 'n' })),
    {
      patch: touch,
      delete: async (_type: unknown, { metadata }: KubeObject) => void evicted.push(metadata.name),
    },
  );
  const outcome = await taintEvictionController().reconcile('n', cluster, new AbortController().signal);
  assert.deepEqual(evicted, ['b', 'c']);
  assert.equal(outcome?.requeueAfterMs, 1_000);
});

test('a pod that cannot be marked as not ready keeps no other of a silent node', async () => {
  const node = sparse<Node>({
    metadata: { name: 'n' },
    spec: { taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }] },
    status: { conditions: [{ type: 'Ready', status: 'Unknown' }] },
  });
  const marked: string[] = [];
  const cluster = clusterOf(
    node,
    names.map((name) => pod(name, { node: 'n' })),
    {
      patch: async (type: unknown, object: KubeObject) => {
        await touch(type, object);
        marked.push(object.metadata.name);
      },
    },
  );
  const { signal } = new AbortController();
  await assert.rejects(
    async () => await nodeLifecycleController(cluster.clock).reconcile('n', cluster, signal),
    /denied/,
  );
  assert.deepEqual(marked, ['b', 'c']);
});

test('the pods of a node that reports that it is not ready are for the node to report on', async () => {
  const node = sparse<Node>({
    metadata: { name: 'n' },
    spec: { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] },
    status: { conditions: [{ type: 'Ready', status: 'False' }] },
  });
  const patched: string[] = [];
  const cluster = clusterOf(
    node,
    names.map((name) => pod(name, { node: 'n' })),
    {
      patch: async (type: ResourceType) => void patched.push(type.kind),
      update: async (type: ResourceType) => void patched.push(type.kind),
    },
  );
  await nodeLifecycleController(cluster.clock).reconcile('n', cluster, new AbortController().signal);
  assert.ok(!patched.includes(Pod.kind));
});

test('a pod that cannot be removed keeps none of the others', async () => {
  const clock = new VirtualClock();
  const pods = names.map((name) => pod(name, { deleted: true, phase: 'Pending' }));
  const removed: string[] = [];
  const stop = new AbortController();
  const environment = sparse<ControllerEnvironment>({
    clock,
    logger: { for: () => silentLogger },
    informers: {
      of: (type: ResourceType) => ({
        list: () => (type.kind === Pod.kind ? pods : []),
        get: () => undefined,
      }),
      synced: async () => undefined,
    },
    client: sparse<Client>({
      patch: async (type: unknown, metadata: KubeObject['metadata']) => touch(type, { metadata }),
      delete: async (_type: unknown, { name }: { name: string }) => void removed.push(name),
    }),
  });
  const running = runPodGc(environment, stop.signal);
  await clock.advance(20_000);
  assert.deepEqual(removed, ['b', 'c']);
  stop.abort();
  await running;
});

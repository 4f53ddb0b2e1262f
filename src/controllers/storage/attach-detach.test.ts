import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { KubeObject, ResourceType } from '../../api/meta.ts';
import {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  type VolumeAttachment,
} from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { attachDetachController } from './attach-detach.ts';

const volume = sparse<PersistentVolume>({
  metadata: { name: 'pv' },
  spec: {
    accessModes: ['ReadWriteMany'],
    csi: { driver: 'd', volumeHandle: 'h' },
    claimRef: { namespace: 'default', name: 'data', uid: 'data' },
  },
});
const claim = sparse<PersistentVolumeClaim>({
  metadata: { name: 'data', namespace: 'default', uid: 'data' },
  spec: { volumeName: 'pv' },
});
const attachedTo = (nodeName: string) =>
  sparse<VolumeAttachment>({
    metadata: { name: `csi-${createHash('sha256').update(`hd${nodeName}`).digest('hex')}` },
    spec: { nodeName, attacher: 'd', source: { persistentVolumeName: 'pv' } },
    status: { attached: true },
  });
const userOn = (nodeName: string) =>
  sparse<Pod>({ metadata: { name: `p-${nodeName}`, namespace: 'default' }, spec: { nodeName } });

interface Scene {
  nodes: Record<string, Node>;
  pods: readonly Pod[];
  attachments: readonly VolumeAttachment[];
}

function clusterOf({ nodes, pods, attachments }: Scene) {
  const clock = new VirtualClock();
  const done: string[] = [];
  const objects = new Map<unknown, (key: string) => KubeObject | undefined>([
    [PersistentVolume, () => volume],
    [PersistentVolumeClaim, () => claim],
    [Node, (name) => nodes[name]],
  ]);
  const cluster = sparse<ReconcileCluster>({
    clock,
    get: (type: ResourceType, key: string) => objects.get(type)?.(key),
    informer: (type: ResourceType) => ({
      addIndex: () => undefined,
      byIndex: () => (type === Pod ? pods : attachments),
    }),
    client: { get: async (_type: unknown, { name }: { name: string }) => nodes[name] },
    create: async () => {
      throw new StatusError(403, 'Forbidden', 'denied the request');
    },
    updateStatus: async (_type: unknown, node: Node) => void done.push(`status of ${node.metadata.name}`),
    delete: async (_type: unknown, { spec }: VolumeAttachment) =>
      void done.push(`detached from ${spec.nodeName}`),
    event: () => undefined,
  });
  const controller = attachDetachController();
  const look = async () => await controller.reconcile('pv', cluster, new AbortController().signal);
  return { clock, done, look };
}

test('a node to which a volume cannot be attached keeps no other from using it', async () => {
  const node = (name: string) => sparse<Node>({ metadata: { name }, status: {} });
  const { done, look } = clusterOf({
    nodes: { a: node('a'), b: node('b') },
    pods: ['a', 'b'].map(userOn),
    attachments: [attachedTo('b')],
  });
  await assert.rejects(look, /denied the request/);
  assert.deepEqual(done, ['status of b']);
});

test('a volume is taken from a silent node six minutes after its last pod there is gone', async () => {
  const silent = sparse<Node>({
    metadata: { name: 'a' },
    status: {
      volumesInUse: ['kubernetes.io/csi/d^h'],
      volumesAttached: [{ name: 'kubernetes.io/csi/d^h', devicePath: '' }],
      conditions: [{ type: 'Ready', status: 'Unknown' }],
    },
  });
  const { clock, done, look } = clusterOf({ nodes: { a: silent }, pods: [], attachments: [attachedTo('a')] });
  assert.equal((await look())?.requeueAfterMs, 360_000);
  await clock.advance(100_000);
  assert.equal((await look())?.requeueAfterMs, 260_000);
  assert.deepEqual(done, []);
  await clock.advance(260_000);
  assert.equal((await look())?.requeueAfterMs, undefined);
  assert.deepEqual(done, ['status of a', 'detached from a']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { NodeRegistration, type NodeReport } from './node-registration.ts';

/** As the API server gives it back. */
function stored(status: core.NodeStatus): Node {
  const images = status.images?.map((image) => ({
    ...image,
    names: image.names?.length ? image.names : null,
  }));
  return { metadata: { name: 'n' }, status: { ...status, images } } as unknown as Node;
}

function reportOf(seen: { images?: core.ContainerImage[]; problems?: string[] }): NodeReport {
  const { images = [], problems = [] } = seen;
  return sparse<NodeReport>({
    health: { problems, memoryPressure: false, diskPressure: false, pidPressure: false },
    addresses: [],
    capacity: { cpu: '2' },
    allocatable: { cpu: '2' },
    nodeInfo: { kubeletVersion: 'v1' } as core.NodeSystemInfo,
    images,
    kubeletPort: 10_250,
    runtimeHandlers: [],
    volumesInUse: [],
  });
}

test('a status is written again when something has changed, else only every five minutes', async () => {
  const clock = new VirtualClock();
  let writes = 0;
  const images: core.ContainerImage[] = [
    { names: ['a:1'], sizeBytes: 1 },
    { names: [], sizeBytes: 2 },
  ];
  const registration = new NodeRegistration({
    clock,
    logger: silentLogger,
    recorder: sparse<EventRecorder>({ event: () => undefined }),
    client: sparse<Client>({
      create: async (_type: unknown, node: { status: core.NodeStatus }) => stored(node.status),
      patch: async (_type: unknown, _name: unknown, { status }: { status: core.NodeStatus }) => {
        writes++;
        return stored({ ...status, addresses: [] });
      },
    }),
    nodeName: 'n',
    labels: {},
    taints: [],
    report: async () => reportOf({ images: [...images] }),
  });
  const end = new AbortController();
  const running = registration.run(end.signal);
  await clock.advance(60_000);
  assert.equal(writes, 1, 'an image without a name is no change');
  images.push({ names: ['b:1'], sizeBytes: 3 });
  await clock.advance(20_000);
  assert.equal(writes, 2);
  await clock.advance(300_000);
  assert.equal(writes, 3);
  end.abort();
  await running;
});

test('a new node reports what it has enough of, and ready once it is, but not that it was not ready at first', async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  let problems = ['container runtime network not ready'];
  const registration = new NodeRegistration({
    clock,
    logger: silentLogger,
    recorder: sparse<EventRecorder>({ event: (_about, _type, reason) => void told.push(reason) }),
    client: sparse<Client>({
      create: async (_type: unknown, node: { status: core.NodeStatus }) => stored(node.status),
      patch: async (_type: unknown, _name: unknown, { status }: { status: core.NodeStatus }) =>
        stored({ ...status, addresses: [] }),
    }),
    nodeName: 'n',
    labels: {},
    taints: [],
    report: async () => reportOf({ problems }),
  });
  const end = new AbortController();
  const running = registration.run(end.signal);
  await clock.advance(1_000);
  problems = [];
  await clock.advance(1_000);
  problems = ['container runtime is down'];
  await clock.advance(20_000);
  assert.deepEqual(told, [
    'NodeHasSufficientMemory',
    'NodeHasNoDiskPressure',
    'NodeHasSufficientPID',
    'NodeReady',
    'NodeNotReady',
  ]);
  end.abort();
  await running;
});

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

/** As the API server returns it. */
function stored(status: core.NodeStatus): Node {
  const images = status.images?.map((image) => ({
    ...image,
    names: image.names?.length ? image.names : null,
  }));
  return { metadata: { name: 'n' }, status: { ...status, images } } as unknown as Node;
}

/** A report with what all tests share, and what this one is about. */
function reportOf({ problems = [], ...seen }: Partial<NodeReport> & { problems?: string[] }): NodeReport {
  return sparse<NodeReport>({
    health: { problems, memoryPressure: false, diskPressure: false, pidPressure: false },
    addresses: [],
    capacity: { cpu: '2' },
    allocatable: { cpu: '2' },
    nodeInfo: { kubeletVersion: 'v1' } as core.NodeSystemInfo,
    images: [],
    kubeletPort: 10_250,
    runtimeHandlers: [],
    volumesInUse: [],
    ...seen,
  });
}

/** A registered node; `report` gets the number of the observation. */
function run(report: (number: number, registration: NodeRegistration) => NodeReport) {
  const clock = new VirtualClock();
  const counts = { reports: 0, writes: 0 };
  const events: string[] = [];
  const registration: NodeRegistration = new NodeRegistration({
    clock,
    logger: silentLogger,
    recorder: sparse<EventRecorder>({ event: (_about, _type, reason) => void events.push(reason) }),
    client: sparse<Client>({
      create: async (_type: unknown, node: { status: core.NodeStatus }) => stored(node.status),
      patch: async (_type: unknown, _name: unknown, { status }: { status: core.NodeStatus }) => {
        counts.writes++;
        return stored({ ...status, addresses: [] });
      },
    }),
    nodeName: 'n',
    labels: {},
    taints: [],
    report: async () => report(++counts.reports, registration),
  });
  const stop = new AbortController();
  const running = registration.run(stop.signal);
  return { clock, counts, events, registration, running, end: () => stop.abort() };
}

test('a node that is cordoned, or reboots, says so in events, once', async () => {
  const { clock, events, registration, running, end } = run((number) =>
    reportOf({
      nodeInfo: { kubeletVersion: 'v1', bootID: number < 3 ? 'one' : 'two' } as core.NodeSystemInfo,
    }),
  );
  await clock.advance(0);
  events.length = 0;
  const unschedulable = { metadata: { name: 'n' }, spec: { unschedulable: true } } as Node;
  for (let round = 0; round < 2; round++)
    registration.noteServerNode({ ...registration.node!, ...unschedulable });
  registration.noteServerNode({ ...registration.node!, spec: {} });
  assert.deepEqual(events, ['NodeNotSchedulable', 'NodeSchedulable']);
  events.length = 0;
  await clock.advance(60_000);
  assert.deepEqual(events, ['Rebooted']);
  end();
  await running;
});

test('a status is written again when something has changed, else only every five minutes', async () => {
  const images: core.ContainerImage[] = [
    { names: ['a:1'], sizeBytes: 1 },
    { names: [], sizeBytes: 2 },
  ];
  const { clock, counts, running, end } = run(() => reportOf({ images: [...images] }));
  await clock.advance(60_000);
  assert.equal(counts.writes, 1, 'an image without a name is no change');
  images.push({ names: ['b:1'], sizeBytes: 3 });
  await clock.advance(20_000);
  assert.equal(counts.writes, 2);
  await clock.advance(300_000);
  assert.equal(counts.writes, 3);
  end();
  await running;
});

test('a change during an observation of the node is reported at once, not ten seconds later', async () => {
  const volumesInUse: string[] = [];
  const { clock, counts, registration, running, end } = run((number, node) => {
    const seen = [...volumesInUse];
    // The first is for the registration, the second for the first status.
    if (number === 2) {
      volumesInUse.push('v');
      node.refresh();
    }
    return reportOf({ volumesInUse: seen });
  });
  await clock.advance(0);
  assert.deepEqual(registration.node?.status?.volumesInUse, ['v']);
  assert.equal(counts.writes, 2);
  end();
  await running;
});

test('a new node reports what it has enough of, and ready once it is, but not that it was not ready at first', async () => {
  let problems = ['container runtime network not ready'];
  const { clock, events, running, end } = run(() => reportOf({ problems }));
  await clock.advance(1_000);
  problems = [];
  await clock.advance(1_000);
  problems = ['container runtime is down'];
  await clock.advance(20_000);
  assert.deepEqual(events, [
    'NodeHasSufficientMemory',
    'NodeHasNoDiskPressure',
    'NodeHasSufficientPID',
    'NodeReady',
    'NodeNotReady',
  ]);
  end();
  await running;
});

test('a stop during an observation of the node ends the reports with it, not ten seconds later', async () => {
  const { running, end } = run((number) => {
    if (number === 2) end();
    return reportOf({});
  });
  await running;
});

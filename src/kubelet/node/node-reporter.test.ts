import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Image, RuntimeStatus } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { NodeReporter, type NodeReporterOptions, nodeImages } from './node-reporter.ts';

const image = (id: string, size: number, repoTags = [id]): Image => ({
  id,
  size,
  repoTags,
  repoDigests: [],
  username: '',
  pinned: false,
});
const namesOf = (images: readonly Image[]) => nodeImages(images).map(({ names }) => names?.[0]);

test('the same images give the same status, in whatever order the runtime lists them', () => {
  const images = [image('a', 5), image('b', 5), image('c', 5), image('d', 9)];
  assert.deepEqual(namesOf(images), ['d', 'c', 'b', 'a']);
  assert.deepEqual(namesOf(images.toReversed()), ['d', 'c', 'b', 'a']);
});

test('the largest fifty images are named, each by five names', () => {
  const many = Array.from({ length: 60 }, (_, at) => image(`i${at}`, at));
  assert.equal(nodeImages(many).length, 50);
  assert.equal(namesOf(many)[0], 'i59');
  assert.deepEqual(nodeImages([image('a', 1, ['1', '2', '3', '4', '5', '6'])])[0]?.names?.length, 5);
});

test('a runtime that does not answer for half a minute is down; until then stands what it said last', async () => {
  const clock = new VirtualClock();
  const runtimeStatus = sparse<RuntimeStatus>({
    conditions: ['RuntimeReady', 'NetworkReady'].map((type) => ({
      type,
      status: true,
      reason: '',
      message: '',
    })),
    handlers: [{ name: 'runc', recursiveReadOnlyMounts: true, userNamespaces: false }],
  });
  let answers = true;
  const reporter = new NodeReporter(
    sparse<NodeReporterOptions>({
      clock,
      logger: silentLogger,
      runtimeStatus,
      runtime: sparse<ContainerRuntime>({
        status: () => (answers ? Promise.resolve(runtimeStatus) : Promise.reject(new Error('no socket'))),
        listImages: () => Promise.resolve([image('a', 5)]),
      }),
      facts: sparse<NodeReporterOptions['facts']>({ swapBytes: 0 }),
      nodeIps: [],
      resources: () => ({ capacity: {}, allocatable: {} }),
      volumesInUse: () => [],
    }),
  );
  const well = await reporter.report();
  assert.deepEqual(well.health.problems, []);
  answers = false;
  await clock.advance(29_000);
  assert.deepEqual(await reporter.report(), well);
  await clock.advance(1_000);
  assert.deepEqual((await reporter.report()).health.problems, ['container runtime is down: no socket']);
  answers = true;
  assert.deepEqual(await reporter.report(), well);
});

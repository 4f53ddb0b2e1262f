import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { Image } from '../cri/messages.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { ImageGc } from './image-gc.ts';

const gibibyte = 1024 ** 3;
const minute = 60_000;

/** A disk of 100 GiB and images of 10 GiB each. */
function setup(options: {
  usedGi: number;
  images: string[];
  inUse?: string[];
  inVolumes?: string[];
  ageMaxMs?: number;
  /** Images that the runtime refuses to remove. */
  stuck?: string[];
}) {
  const clock = new VirtualClock();
  const images = new Map(
    options.images.map((id): [string, Image] => [
      id,
      {
        id,
        repoTags: [`${id}:1`],
        repoDigests: [],
        size: 10 * gibibyte,
        username: '',
        pinned: id === 'pinned',
      },
    ]),
  );
  const events: string[] = [];
  const lastUsedMs = new Map<string, number>();
  const collected: string[] = [];
  const start = images.size;
  const gc = new ImageGc({
    clock,
    logger: silentLogger,
    nodeName: 'n',
    lastUsedMs,
    pulled: { prune: async () => undefined },
    metrics: { collected: (reason) => void collected.push(reason) },
    inVolumes: () => options.inVolumes ?? [],
    highPercent: 85,
    lowPercent: 80,
    ageMinMs: 2 * minute,
    ageMaxMs: options.ageMaxMs,
    recorder: {
      event: (_target: object, _type: string, reason: string, message: string) =>
        void events.push(`${reason} ${message}`),
    } as EventRecorder,
    imageFs: async () => {
      const usedBytes = (options.usedGi - 10 * (start - images.size)) * gibibyte;
      const capacityBytes = 100 * gibibyte;
      return {
        capacityBytes,
        usedBytes,
        availableBytes: capacityBytes - usedBytes,
        inodes: 0,
        inodesFree: 0,
      };
    },
    runtime: sparse<ContainerRuntime>({
      listImages: async () => [...images.values()],
      listContainers: async () => (options.inUse ?? []).map((id) => ({ imageRef: id, image: { image: id } })),
      status: async () => ({ conditions: [], handlers: [], info: { config: '{"sandboxImage":"pause:1"}' } }),
      removeImage: async ({ image }: { image: string }) => {
        if (options.stuck?.includes(image)) throw new Error('the image is held');
        images.delete(image);
      },
    }),
  });
  const add = (id: string) => void images.set(id, { ...[...images.values()][0]!, id, repoTags: [`${id}:1`] });
  return { gc, clock, events, collected, lastUsedMs, add, left: () => [...images.keys()] };
}

test('above the high mark the longest unused images go until the low mark; those in use, pinned and of sandboxes stay', async () => {
  const { gc, clock, lastUsedMs, left, events, collected } = setup({
    usedGi: 86,
    images: ['pause', 'pinned', 'used', 'shown', 'old', 'older'],
    inUse: ['used'],
    inVolumes: ['shown:1'],
  });
  // Seen for the first time: nothing is old enough yet, which is reported.
  await assert.rejects(gc.collect(), /by deleting unused images \(freed 0 bytes\)\. Investigate/);
  assert.match(
    events[0]!,
    /^FreeDiskSpaceFailed Insufficient free disk space on the node's image filesystem \(86% of 100\.0 GiB used\)\. /,
  );
  lastUsedMs.set('old', clock.now() + 1000);
  await clock.advance(3 * minute);
  await gc.collect();
  assert.deepEqual(left(), ['pause', 'pinned', 'used', 'shown', 'old']);
  assert.deepEqual(collected, ['space']);
});

test('below the high mark nothing goes, except what is unused for too long', async () => {
  const { gc, clock, left, collected } = setup({
    usedGi: 84,
    images: ['a', 'used'],
    inUse: ['used'],
    ageMaxMs: 60 * minute,
  });
  await gc.collect();
  await clock.advance(59 * minute);
  await gc.collect();
  assert.deepEqual(left(), ['a', 'used']);
  await clock.advance(2 * minute);
  await gc.collect();
  assert.deepEqual(left(), ['used']);
  assert.deepEqual(collected, ['age']);
});

test('an image counts as used until its last container is gone, however long ago that began', async () => {
  const inUse = ['mine'];
  const { gc, clock, left } = setup({ usedGi: 50, images: ['mine'], inUse, ageMaxMs: 60 * minute });
  for (let round = 0; round < 24; round++) {
    await gc.collect();
    await clock.advance(5 * minute);
  }
  inUse.pop();
  await gc.collect();
  await clock.advance(50 * minute);
  await gc.collect();
  assert.deepEqual(left(), ['mine']);
  await clock.advance(10 * minute);
  await gc.collect();
  assert.deepEqual(left(), []);
});

test('short of space an image goes as soon as nothing runs from it, if it has been there for a while', async () => {
  const inUse = ['mine'];
  const { gc, clock, left } = setup({ usedGi: 50, images: ['mine'], inUse });
  await gc.collect();
  await clock.advance(3 * minute);
  inUse.pop();
  await gc.free(1);
  assert.deepEqual(left(), []);
});

test('an image is as old as it has been there, whenever the disk is looked at', async () => {
  const { gc, clock, add, left } = setup({ usedGi: 50, images: ['mine'], inUse: ['mine'] });
  const stop = new AbortController();
  const running = gc.run(stop.signal);
  await clock.advance(minute);
  add('came-later');
  await clock.advance(2 * minute + 30_000);
  add('new');
  await gc.free(Number.POSITIVE_INFINITY);
  assert.deepEqual(left(), ['mine', 'new']);
  stop.abort();
  await running;
});

test('an image that cannot be removed keeps no other', async () => {
  const { gc, clock, left } = setup({ usedGi: 86, images: ['a', 'b'], stuck: ['a'] });
  await assert.rejects(gc.collect());
  await clock.advance(3 * minute);
  await gc.collect();
  assert.deepEqual(left(), ['a']);
});

test('when images were used is forgotten with them, however they were removed', async () => {
  const { gc, lastUsedMs } = setup({ usedGi: 50, images: ['mine'] });
  for (const id of ['mine', 'gone']) lastUsedMs.set(id, 1);
  await gc.collect();
  assert.deepEqual([...lastUsedMs.keys()], ['mine']);
});

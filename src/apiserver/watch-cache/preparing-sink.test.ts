import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { CachedObject } from './cached-object.ts';
import { PreparingSink } from './preparing-sink.ts';
import type { WatchedEvent } from './selection.ts';
import type { WatchSink } from './watch-group.ts';

const event: WatchedEvent = { type: 'ADDED', object: sparse<CachedObject>({}) };

function collecting() {
  const seen = { delivered: 0, ended: 0, failed: 0 };
  const out = sparse<WatchSink>({
    format: 'x',
    encode: (events: readonly WatchedEvent[]) => events,
    deliver: (events: readonly WatchedEvent[]) => {
      seen.delivered += events.length;
    },
    drained: async () => undefined,
    end: () => {
      seen.ended++;
    },
  });
  const failed = () => {
    seen.failed++;
  };
  return { seen, out, failed };
}

test('a watch whose conversions hang is ended before its events fill the memory', async () => {
  const { seen, out, failed } = collecting();
  const sink = new PreparingSink(out, () => new Promise(() => undefined), undefined, failed);
  for (let count = 0; count < 10_000; count++) sink.deliver(sink.encode([event]));
  assert.deepEqual(seen, { delivered: 0, ended: 0, failed: 0 });
  for (let count = 0; count < 100; count++) sink.deliver(sink.encode([event]));
  assert.deepEqual(seen, { delivered: 0, ended: 1, failed: 1 });
});

test('a slow watch gets everything, even an initial state larger than the limit', async () => {
  const { seen, out, failed } = collecting();
  const sink = new PreparingSink(out, async () => undefined, undefined, failed);
  for (let round = 0; round < 3; round++) {
    sink.deliver(sink.encode(Array.from({ length: 10_001 }, () => event)));
    await sink.drained();
  }
  assert.deepEqual(seen, { delivered: 30_003, ended: 0, failed: 0 });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '../storage/memory.ts';
import type { WatchOptions } from '../storage/store.ts';
import { createTestServer } from './server.fixture.ts';

test('a server that cannot start leaves nothing running', async () => {
  const store = createMemoryStore();
  const watch = store.watch.bind(store);
  const signals: AbortSignal[] = [];
  Object.assign(store, {
    create: () => Promise.reject(new Error('no space left')),
    watch(prefix: string, options: WatchOptions) {
      signals.push(options.signal);
      return watch(prefix, options);
    },
  });
  await assert.rejects(createTestServer({ store }), /no space left/);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true],
  );
});

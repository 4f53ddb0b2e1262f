import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allEnded } from './all-ended.ts';

test('a failure is reported once all that runs beside it has ended', async () => {
  const slow = Promise.withResolvers<void>();
  const seen: string[] = [];
  const work = slow.promise.then(() => seen.push('ended'));
  const all = allEnded([Promise.reject(new Error('broken')), work]).catch((error) =>
    seen.push(error.message),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, []);
  slow.resolve();
  await all;
  assert.deepEqual(seen, ['ended', 'broken']);
  await allEnded([Promise.resolve(1), work]);
});

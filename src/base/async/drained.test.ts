import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { drained } from './drained.ts';

/** Takes one chunk at a time, each when it is told to. */
function slowReader() {
  let take = (): void => undefined;
  const out = new Writable({
    highWaterMark: 4,
    write(_chunk, _encoding, done) {
      take = done;
    },
  });
  return { out, take: () => take() };
}

/** What has been resolved by the end of this turn. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(resolve, 'waiting'));
  return (await Promise.race([promise, turn])) !== 'waiting';
}

test('a writer waits until its reader has taken what was written', async () => {
  const { out, take } = slowReader();
  assert.equal(await isSettled(drained(out)), true, 'there is room');
  out.write('too long');
  const waiting = drained(out);
  assert.equal(await isSettled(waiting), false);
  take();
  await waiting;
});

test('a writer whose reader leaves, or has left, waits no longer, and leaves no listeners', async () => {
  const { out } = slowReader();
  out.write('too long');
  const waiting = drained(out);
  out.destroy();
  await waiting;
  await drained(out);
  assert.deepEqual([out.listenerCount('drain'), out.listenerCount('close')], [0, 0]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pause } from './clock.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a pause ends with its time or with the signal, and with neither twice', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const over: string[] = [];
  const short = pause(clock, 1_000, stop.signal).then(() => over.push('short'));
  const long = pause(clock, 60_000, stop.signal).then(() => over.push('long'));
  await clock.advance(1_000);
  await short;
  assert.deepEqual(over, ['short']);
  stop.abort();
  await long;
  await pause(clock, 60_000, stop.signal);
  assert.deepEqual(over, ['short', 'long']);
  assert.equal(clock.now(), new VirtualClock().now() + 1_000);
});

test('a clock that fails is no end of a pause', async () => {
  const broken = { sleep: () => Promise.reject(new Error('no clock')) };
  await assert.rejects(pause(broken, 1_000, new AbortController().signal), /no clock/);
});

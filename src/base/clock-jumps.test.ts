import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchClockJumps } from './clock-jumps.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a clock that is set forwards or back is noticed once, one that is kept right is not', async () => {
  const clock = new VirtualClock();
  const jumps: number[] = [];
  const stop = new AbortController();
  const watching = watchClockJumps(clock, (byMs) => jumps.push(byMs), stop.signal);
  await clock.advance(60_000);
  clock.jump(3_600_000);
  await clock.advance(60_000);
  clock.jump(-7_200_000);
  await clock.advance(60_000);
  clock.jump(500);
  await clock.advance(60_000);
  assert.deepEqual(jumps, [3_600_000, -7_200_000]);
  stop.abort();
  await watching;
});

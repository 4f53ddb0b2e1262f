import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../virtual-clock.ts';
import { timed } from './timed.ts';

test('work is reported with its duration, whether it succeeds or fails, and its result is passed on', async () => {
  const clock = new VirtualClock();
  const reports: unknown[] = [];
  const run = async <T>(work: () => Promise<T>) => {
    const running = timed(clock, work, (...report) => reports.push(report));
    return (await Promise.all([running, clock.advance(2_000)]))[0];
  };
  const pause = () => clock.sleep(1_500);
  assert.equal(await run(() => pause().then(() => 'done')), 'done');
  await assert.rejects(
    run(() => Promise.reject(new Error('broken'))),
    /broken/,
  );
  assert.deepEqual(reports, [
    ['succeeded', 1.5],
    ['failed', 0],
  ]);
});

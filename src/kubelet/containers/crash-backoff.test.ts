import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { WaitBackoff } from './crash-backoff.ts';

test('the first restart is at once, then the wait doubles from 10 s up to 5 minutes', async () => {
  const clock = new VirtualClock();
  const backoff = new WaitBackoff({ clock });
  const waits: number[] = [];
  for (let restart = 0; restart < 8; restart++) {
    const endedMs = clock.now();
    const waitMs = backoff.remainingMs('k', endedMs);
    waits.push(waitMs / 1000);
    await clock.advance(waitMs);
    backoff.next('k', endedMs);
    await clock.advance(1000);
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
});

test('ten minutes without an end make everything good', async () => {
  const clock = new VirtualClock();
  const backoff = new WaitBackoff({ clock });
  backoff.next('k', clock.now());
  backoff.next('k', clock.now());
  await clock.advance(601_000);
  assert.equal(backoff.remainingMs('k', clock.now()), 0);
  backoff.next('k', clock.now());
  assert.equal(backoff.delayMs('k'), 10_000);
});

test('a clock that jumps back makes no wait longer than the delay', async () => {
  const clock = new VirtualClock();
  const backoff = new WaitBackoff({ clock });
  backoff.next('k', clock.now());
  assert.equal(backoff.remainingMs('k', clock.now() + 3_600_000), 0);
  backoff.next('k', clock.now());
  assert.equal(backoff.remainingMs('k', clock.now() + 60_000), 20_000);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { KubeletContext } from '../context.ts';
import { testPod } from '../pod.fixture.ts';
import { WaitBackoff } from './crash-backoff.ts';
import { CrashHold } from './crash-hold.ts';

test('a back-off is shown for half of its time at least, and told of again after 10 s', async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const recorder = sparse<EventRecorder>({
    event: (_, __, reason) => void seen.push(`${reason} after ${secondsSinceEnd()}`),
  });
  const crashBackoff = new WaitBackoff({ clock });
  const hold = new CrashHold(sparse<KubeletContext>({ clock, crashBackoff, recorder }));
  const pod = testPod();
  const container = pod.spec.containers[0]!;
  let finishedAtMs = 0;
  const secondsSinceEnd = () => (clock.now() - finishedAtMs) / 1000;
  for (let end = 0; end < 3; end++) {
    finishedAtMs = clock.now();
    const check = () => hold.check(pod, container, { startedAtMs: finishedAtMs - 1000, finishedAtMs });
    let isShown = false;
    for (let verdict = check(); verdict.waitMs > 0; verdict = check()) {
      if (verdict.shows && !isShown) seen.push(`${verdict.shows.reason} after ${secondsSinceEnd()}`);
      isShown = !!verdict.shows;
      await clock.advance(verdict.waitMs);
    }
    seen.push(`start after ${secondsSinceEnd()}`);
    await clock.advance(1000);
  }
  assert.deepEqual(seen, [
    'start after 0',
    'BackOff after 0',
    'CrashLoopBackOff after 5',
    'start after 10',
    'BackOff after 0',
    'BackOff after 10',
    'CrashLoopBackOff after 10',
    'start after 20',
  ]);
});

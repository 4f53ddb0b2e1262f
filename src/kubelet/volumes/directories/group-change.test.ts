import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { EventRecorder } from '../../../client/events/event-recorder.ts';
import { testPod } from '../../pod.fixture.ts';
import { giveToPodsGroup } from './group-change.ts';

test('a change of group that takes long is told after half a minute, and then once a minute', async () => {
  const clock = new VirtualClock();
  const events: string[] = [];
  const recorder = sparse<EventRecorder>({
    event: (_target, type, reason, message) => void events.push(`${type} ${reason}: ${message}`),
  });
  const pod = testPod({ securityContext: { fsGroup: 1, fsGroupChangePolicy: 'Always' } });
  pod.metadata.uid = 'uid-1';
  const change = { pod, path: '/var/lib/kubelet/pods/uid-1/volumes/v', clock, recorder };
  const given = Promise.withResolvers<void>();
  const asked: unknown[] = [];
  const giving = giveToPodsGroup(change, 1, async (path, gid, policy, done) => {
    asked.push(path, gid, policy);
    for (let file = 0; file < 7; file++) done?.();
    await given.promise;
  });
  assert.deepEqual(asked, [change.path, 1, 'Always']);
  await clock.advance(29_000);
  assert.deepEqual(events, []);
  await clock.advance(1_000);
  const told = 'Warning VolumePermissionChangeInProgress: Setting volume ownership for uid-1/volumes/v';
  const [first = '', ...others] = events;
  assert.ok(first.startsWith(`${told} is taking longer than expected, consider using OnRootMismatch - `));
  assert.deepEqual(others, []);
  await clock.advance(60_000);
  assert.deepEqual(events.slice(1), [`${told}, processed 7 files.`]);
  given.resolve();
  await giving;
  await clock.advance(600_000);
  assert.equal(events.length, 2);
});

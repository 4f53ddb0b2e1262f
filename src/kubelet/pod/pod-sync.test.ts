import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { KubeletContext } from '../context.ts';
import { observedPod, testPod } from '../pod.fixture.ts';
import type { PodRecord } from './pod-record.ts';
import { PodSync } from './pod-sync.ts';

test('a pod whose control group cannot be made says so in an event', async () => {
  const events: string[] = [];
  const event = (_target: object, type: string, reason: string, message: string) =>
    void events.push(`${type} ${reason} ${message}`);
  const sync = new PodSync(
    sparse<PodRecord>({
      context: sparse<KubeletContext>({ recorder: { event } }),
      pod: testPod(),
      observed: observedPod(),
      waiting: { showHeldBack: () => undefined, dropOutdated: () => undefined },
      report: () => undefined,
      releaseView: () => undefined,
      resources: {
        settle: () => undefined,
        apply: () => Promise.reject(new Error('cannot write 1 to pids.max')),
      },
    }),
  );
  await assert.rejects(sync.run(), /pids\.max/);
  assert.deepEqual(events, [
    'Warning FailedCreatePodContainer unable to ensure pod container exists: cannot write 1 to pids.max',
  ]);
});

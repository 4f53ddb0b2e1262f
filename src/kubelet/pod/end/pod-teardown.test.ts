import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import { observedPod, testPod } from '../../pod.fixture.ts';
import type { PodRecord } from '../pod-record.ts';
import { PodEnd } from './pod-end.ts';
import { tearDownPod } from './pod-teardown.ts';

test('a pod that the runtime cannot end says why', async () => {
  const events: string[] = [];
  const record = sparse<PodRecord>({
    uid: 'u',
    pod: testPod(),
    end: new PodEnd(),
    view: { hasRunning: false },
    observed: observedPod(),
    observeAnew: async () => undefined,
    context: {
      signal: new AbortController().signal,
      probes: { stopRestartingProbes: () => undefined, stopPod: () => undefined },
      runtime: {
        stopPodSandbox: async () => {
          throw new Error('the network of the sandbox cannot be removed');
        },
      },
      recorder: {
        event: (_target: object, type: string, reason: string, message: string) =>
          void events.push(`${type} ${reason} ${message}`),
      },
    },
  });
  await assert.rejects(tearDownPod(record));
  assert.deepEqual(events, [
    'Warning FailedKillPod error killing pod: the network of the sandbox cannot be removed',
  ]);
  assert.equal(record.end.hasEnded, false);
});

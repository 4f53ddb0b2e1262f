import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { observedPod, testPod } from '../../pod.fixture.ts';
import type { PodRecord } from '../pod-record.ts';
import { PodStarts } from '../pod-starts.ts';
import { PodEnd } from './pod-end.ts';
import { tearDownPod } from './pod-teardown.ts';

test('a pod that the runtime cannot end says why', async () => {
  const events: string[] = [];
  const record = recordOf({
    podStarts: new PodStarts(new VirtualClock()),
    stopPodSandbox() {
      throw new Error('the network of the sandbox cannot be removed');
    },
    event: (_target, type, reason, message) => void events.push(`${type} ${reason} ${message}`),
  });
  await assert.rejects(tearDownPod(record));
  assert.deepEqual(events, [
    'Warning FailedKillPod error killing pod: the network of the sandbox cannot be removed',
  ]);
  assert.equal(record.end.hasEnded, false);
});

test('the network of an ended pod is taken away when those that start have started', async () => {
  const clock = new VirtualClock();
  const podStarts = new PodStarts(clock);
  const log: string[] = [];
  const record = recordOf({
    podStarts,
    stopPodSandbox() {
      log.push('sandbox stopped');
      throw new Error('enough');
    },
    event: () => undefined,
  });
  const starting = podStarts.during(() => clock.sleep(700)).then(() => void log.push('other started'));
  const tornDown = assert.rejects(tearDownPod(record), /enough/);
  await clock.advance(1000);
  await Promise.all([starting, tornDown]);
  assert.deepEqual(log, ['other started', 'sandbox stopped']);
});

/** Of a pod whose containers have ended, and its sandbox has not. */
function recordOf(parts: {
  podStarts: PodStarts;
  stopPodSandbox(): never;
  event(target: object, type: string, reason: string, message: string): void;
}): PodRecord {
  const { podStarts, stopPodSandbox, event } = parts;
  return sparse<PodRecord>({
    uid: 'u',
    pod: testPod(),
    end: new PodEnd(),
    view: { hasRunning: false },
    observed: observedPod(),
    observeAnew: async () => undefined,
    context: {
      signal: new AbortController().signal,
      podStarts,
      probes: { stopRestartingProbes: () => undefined, stopPod: () => undefined },
      runtime: { stopPodSandbox: async () => stopPodSandbox() },
      recorder: { event },
    },
  });
}

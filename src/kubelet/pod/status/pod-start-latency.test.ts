import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTime } from '../../../api/schema/time.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { testPod } from '../../pod.fixture.ts';
import { PodStartLatency } from './pod-start-latency.ts';

function started(clock: VirtualClock, afterMs: { init?: [number, number] } = {}) {
  const createdMs = clock.now();
  const time = (ms: number) => formatTime(createdMs + ms);
  const [from = 0, to = 0] = afterMs.init ?? [];
  const terminated = { exitCode: 0, startedAt: time(from), finishedAt: time(to) };
  const container = { name: 'c', ready: true, restartCount: 0, image: '', imageID: '' };
  const pod = testPod(
    { initContainers: [{ name: 'i' }] },
    {
      containerStatuses: [{ ...container, state: { running: {} } }],
      initContainerStatuses: [{ ...container, name: 'i', state: { terminated } }],
    },
  );
  return { ...pod, metadata: { ...pod.metadata, creationTimestamp: time(0) } };
}

test('the pod start latency excludes image pulls and init containers', async () => {
  const clock = new VirtualClock();
  const latency = new PodStartLatency(clock);
  const pod = started(clock, { init: [5000, 8000] });
  latency.await();
  await clock.advance(1000);
  latency.pulling();
  await clock.advance(4000);
  latency.pulled();
  assert.equal(latency.observe({ ...pod, status: {} }), undefined);
  await clock.advance(5000);
  assert.deepEqual(latency.observe(pod), { totalSeconds: 10, ownSeconds: 3 });
  assert.equal(latency.observe(pod), undefined);
});

test('no start is reported of a pod that ran before the agent began', () => {
  const clock = new VirtualClock();
  assert.equal(new PodStartLatency(clock).observe(started(clock)), undefined);
});

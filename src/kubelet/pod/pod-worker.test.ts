import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import { testPod } from '../pod.fixture.ts';
import { PodWorker } from './pod-worker.ts';

test('the status of a replaced mirror pod is forgotten', () => {
  const forgotten: string[] = [];
  const begun: unknown[] = [];
  const worker = new PodWorker({
    context: sparse<KubeletContext>({
      counts: { workBegan: ({ metadata }: Pod, seconds: number) => void begun.push([metadata.uid, seconds]) },
      clock: new VirtualClock(),
      logger: silentLogger,
      signal: AbortSignal.abort(),
      statuses: { noteServerStatus: () => undefined, forget: (uid: string) => void forgotten.push(uid) },
    }),
    pod: testPod(),
    seenAtMs: 0,
    isStatic: true,
    finished: () => undefined,
  });
  const mirror = (uid: string, resourceVersion: string) => {
    const pod = testPod();
    return { ...pod, metadata: { ...pod.metadata, uid, resourceVersion } };
  };
  worker.setMirror(mirror('first', '1'));
  worker.setMirror(mirror('first', '2'));
  assert.deepEqual(forgotten, []);
  worker.setMirror(mirror('second', '3'));
  assert.deepEqual(forgotten, ['first']);
  assert.deepEqual(begun, [[testPod().metadata.uid, 0]]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { PodSet } from '../pod/pod-set.ts';
import type { PodWorker } from '../pod/pod-worker.ts';
import { testPod } from '../pod.fixture.ts';
import { PodAdmitter } from './pod-admitter.ts';

const gadget = 'example.com/gadget';

test('a pod whose devices cannot be had is refused as unexpected, and one that left needs its own no longer', async () => {
  const refused: string[] = [];
  const asked: boolean[] = [];
  let problem: string | undefined = 'no healthy devices present';
  const workers: Record<string, Partial<PodWorker>> = {
    u: { takeIn: () => undefined },
    gone: { hasLeft: true },
    here: { hasLeft: false },
  };
  const admitter = new PodAdmitter({
    recorder: sparse<EventRecorder>({}),
    counts: { refused: (reason) => void refused.push(reason), preempted: () => undefined },
    pods: () =>
      sparse<PodSet>({ admitted: () => [], find: (uid: string) => workers[uid] as PodWorker | undefined }),
    node: () => sparse<Node>({ metadata: { name: 'n' } }),
    allocatable: () => ({ cpu: '1', memory: '1Gi', pods: '10', [gadget]: '0' }),
    devices: {
      resources: () => ({ [gadget]: { capacity: 2, allocatable: 0 } }),
      async reserve(_, hasLeft) {
        asked.push(...['gone', 'here', 'unknown'].map(hasLeft));
        if (problem !== undefined) throw new Error(problem);
      },
    },
    conditions: () => ({
      memoryPressure: false,
      diskPressure: false,
      pidPressure: false,
      allowedUnsafeSysctls: [],
      hasStrictGroups: true,
      hasAppArmor: false,
    }),
  });
  const pod = testPod({ containers: [{ name: 'c', resources: { limits: { [gadget]: '1' } } }] });
  assert.deepEqual(await admitter.admit(pod), {
    reason: 'UnexpectedAdmissionError',
    message: 'Allocate failed due to no healthy devices present, which is unexpected',
  });
  assert.deepEqual(
    { refused, asked },
    { refused: ['UnexpectedAdmissionError'], asked: [true, false, false] },
  );
  problem = undefined;
  assert.equal(await admitter.admit(pod), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../base/random.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { testPod } from '../../pod.fixture.ts';
import { nonRootProblem } from '../../spec/security-context.ts';
import { describeRuntimeContract } from '../runtime.contract.ts';
import { behaviourIn, behaviourOf } from './simulated-behaviour.ts';
import { SimulatedImages } from './simulated-images.ts';
import { simulatedRuntime } from './simulated-runtime.ts';

describeRuntimeContract('simulated', async () => {
  const clock = new VirtualClock();
  return {
    runtime: simulatedRuntime({ clock, random: seededRandom(1) }),
    image: 'busybox:1',
    logDirectory: '/logs',
    async settle(promise) {
      let done = false;
      const settled = promise.finally(() => {
        done = true;
      });
      settled.catch(() => undefined);
      await clock.advanceUntil(() => done);
      return settled;
    },
  };
});

test('a simulated image names a user who is not root, so that pods with runAsNonRoot run', () => {
  const images = new SimulatedImages();
  images.add('app:1', 'sha256:1');
  const { uid, username } = images.find('app:1')!;
  const pod = testPod({ securityContext: { runAsNonRoot: true } });
  assert.equal(nonRootProblem(pod, pod.spec.containers[0]!, { uid: uid?.value, username }), undefined);
});

test('the behaviour of a simulated container follows from its command', () => {
  const sh = (script: string) => behaviourOf({ command: ['sh', '-c', script] });
  assert.deepEqual(sh('sleep 2; exit 1'), { exit: { afterMs: 2000, code: 1 } });
  assert.deepEqual(sh('sleep 5'), { exit: { afterMs: 5000, code: 0 } });
  assert.deepEqual(sh('exit 4'), { exit: { afterMs: 0, code: 4 } });
  assert.deepEqual(sh(' sleep 1s ;exit 3; '), { exit: { afterMs: 1000, code: 3 } });
  assert.deepEqual(sh('exit 3; sleep 1'), {});
  assert.deepEqual(sh(`${' '.repeat(100_000)}x`), {}, 'and takes no time to be read');
  assert.deepEqual(behaviourOf({ args: ['serve'] }), {});
  assert.deepEqual(behaviourOf({ command: ['sleep', '3'] }), { exit: { afterMs: 3000, code: 0 } });
  assert.deepEqual(sh('trap "" TERM; while true; do sleep 1; done'), { ignoresTerm: true });
});

test('what others wait for ends, though its command is not understood', () => {
  const config = (name: string, script: string) => ({
    metadata: { name, attempt: 0 },
    command: ['sh', '-c', script],
  });
  const pod = testPod({
    initContainers: [{ name: 'first' }, { name: 'sidecar', restartPolicy: 'Always' }],
    containers: [{ name: 'c' }],
  });
  const wait = 'until nslookup db; do sleep 2; done';
  const ends = { exit: { afterMs: 1000, code: 0 } };
  assert.deepEqual(behaviourIn(pod, config('first', wait)), ends);
  assert.deepEqual(behaviourIn(pod, config('first', 'exit 3')), { exit: { afterMs: 0, code: 3 } });
  assert.deepEqual(behaviourIn(pod, config('sidecar', wait)), {});
  assert.deepEqual(behaviourIn(pod, config('c', wait)), {}, 'a container of no Job runs on');
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'u', controller: true };
  const ofJob = { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
  assert.deepEqual(behaviourIn(ofJob, config('c', wait)), ends);
  assert.deepEqual(behaviourIn(undefined, config('c', wait)), {}, 'and one of an unknown pod, too');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { simulatedRuntime } from '../cri/simulated/simulated-runtime.ts';
import { labels, nothingObserved, observePod } from './pod-observation.ts';

test('a sandbox is asked for its addresses once, and again when it has ended', async () => {
  const clock = new VirtualClock();
  const runtime = simulatedRuntime({ clock, random: seededRandom(1) });
  const asked: string[] = [];
  const podSandboxStatus = runtime.podSandboxStatus.bind(runtime);
  runtime.podSandboxStatus = (id) => {
    asked.push(id);
    return podSandboxStatus(id);
  };
  const look = (known = nothingObserved) => observePod(runtime, 'uid-1', known, async () => undefined);
  const id = await makeSandbox();
  const made = await look();
  assert.equal(made.sandboxes[0]?.ips.length, 1);
  assert.deepEqual(await look(made), made);
  assert.deepEqual(asked, [id]);

  await runtime.stopPodSandbox(id);
  const ended = await look(made);
  assert.deepEqual(ended.sandboxes, [{ ...made.sandboxes[0], ready: false, ips: [] }]);
  assert.deepEqual(asked, [id, id]);

  const next = await makeSandbox();
  assert.deepEqual((await look(ended)).sandboxes.map((one) => one.id).sort(), [id, next].sort());
  assert.deepEqual(asked, [id, id, next]);
  await runtime.removePodSandbox(id);
  await runtime.removePodSandbox(next);
  assert.deepEqual(await look(ended), nothingObserved);

  async function makeSandbox(): Promise<string> {
    const metadata = { name: 'web', namespace: 'default', uid: 'uid-1', attempt: 0 };
    const making = runtime.runPodSandbox({ metadata, labels: { [labels.podUid]: 'uid-1' } }, '');
    await clock.advance(20);
    return await making;
  }
});

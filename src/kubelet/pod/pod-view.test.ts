import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KubeletContext } from '../context.ts';
import { simulatedRuntime } from '../cri/simulated/simulated-runtime.ts';
import { labels } from './pod-observation.ts';
import { PodView } from './pod-view.ts';

test('an exit that an event announced but CRI does not show yet is asked for with growing delays', async () => {
  const clock = new VirtualClock();
  const runtime = simulatedRuntime({ clock, random: seededRandom(1) });
  const metadata = { name: 'web', namespace: 'default', uid: 'uid-1', attempt: 0 };
  const making = runtime.runPodSandbox({ metadata, labels: { [labels.podUid]: 'uid-1' } }, '');
  await clock.advance(20);
  const id = await making;
  const files = { terminationMessage: async () => undefined };
  const view = new PodView(sparse<KubeletContext>({ runtime, machine: { files } }), 'uid-1');
  assert.equal(await view.refresh(), undefined);

  view.noteExit(id);
  const delaysMs: (number | undefined)[] = [];
  for (let look = 0; look < 20; look++) delaysMs.push(await view.refresh());
  assert.deepEqual(delaysMs.slice(0, 3), [4, 8, 16]);
  assert.deepEqual(delaysMs.slice(-2), [5000, 5000]);

  await runtime.stopPodSandbox(id);
  assert.equal(await view.refresh(), undefined);
  assert.equal(view.observed.sandboxes[0]?.ready, false);
});

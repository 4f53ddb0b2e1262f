import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { PodCgroups } from '../machine.ts';
import { testPod } from '../pod.fixture.ts';
import { measuredCgroups } from './measured-cgroups.ts';

test('the first look at a pod makes its group, later ones change it, and what fails is timed too', async () => {
  const seen: string[] = [];
  let fails = true;
  const groups = sparse<PodCgroups>({
    apply: async () => '/kubepods/podu',
    remove: async () => {
      if (fails) throw new Error('busy');
    },
  });
  const measured = measuredCgroups(groups, new VirtualClock(), (operation) => void seen.push(operation));
  const pod = testPod();
  assert.equal(await measured.apply(pod), '/kubepods/podu');
  await measured.apply(pod);
  await assert.rejects(measured.remove(pod.metadata.uid), /busy/);
  await measured.apply(pod);
  fails = false;
  await measured.remove(pod.metadata.uid);
  await measured.apply(pod);
  assert.deepEqual(seen, ['create', 'update', 'destroy', 'update', 'destroy', 'create']);
});

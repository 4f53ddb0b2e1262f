import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { measuredRuntime } from './measured-runtime.ts';
import { simulatedRuntime } from './simulated/simulated-runtime.ts';

test('every operation is counted with its outcome', async () => {
  const clock = new VirtualClock();
  const reports: string[] = [];
  const runtime = measuredRuntime(simulatedRuntime({ clock, random: seededRandom(1) }), clock, {
    done: (operation, outcome, seconds) => reports.push(`${operation} ${outcome} ${seconds}`),
  });
  await runtime.version();
  await assert.rejects(runtime.containerStatus('nobody'));
  assert.deepEqual(reports, ['version succeeded 0', 'container_status failed 0']);
  runtime.close();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { measuredRuntime } from './measured-runtime.ts';
import { simulatedRuntime } from './simulated-runtime.ts';

test('every operation is counted with its outcome', async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const runtime = measuredRuntime(simulatedRuntime({ clock, random: seededRandom(1) }), clock, {
    done: (operation, seconds, failed) => told.push(`${operation} ${seconds} ${failed}`),
  });
  await runtime.version();
  await assert.rejects(runtime.containerStatus('nobody'));
  assert.deepEqual(told, ['version 0 false', 'container_status 0 true']);
  runtime.close();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { DeviceHealths } from './device-health.ts';

const messages = (health: number, change = {}) => [
  {
    device: { poolName: 'pool', deviceName: 'gpu-0' },
    health,
    healthCheckTimeoutSeconds: 0,
    message: '',
    ...change,
  },
];

test('a device has the health that its driver reported, until the report expires', async () => {
  const clock = new VirtualClock();
  const changes: string[] = [];
  const healths = new DeviceHealths(clock, (driver) => changes.push(driver));
  const now = () => healths.of('d', 'pool', 'gpu-0');
  assert.deepEqual(now(), { health: 'Unknown' });
  healths.note('d', messages(1));
  assert.deepEqual(now(), { health: 'Healthy' });
  await clock.advance(20_000);
  healths.note('d', messages(1));
  await clock.advance(20_000);
  assert.deepEqual([now().health, changes], ['Healthy', ['d']], 'the same once more is no news');
  await clock.advance(10_001);
  assert.deepEqual([now(), changes], [{ health: 'Unknown' }, ['d', 'd']]);
  healths.close();
});

test('a driver says how long its report is valid, and why; a driver that goes reports nothing', async () => {
  const clock = new VirtualClock();
  const changes: string[] = [];
  const healths = new DeviceHealths(clock, (driver) => changes.push(driver));
  healths.note('d', messages(2, { healthCheckTimeoutSeconds: 100, message: 'too hot' }));
  await clock.advance(99_000);
  assert.deepEqual(healths.of('d', 'pool', 'gpu-0'), { health: 'Unhealthy', message: 'too hot' });
  healths.note('d', messages(2, { message: 'x'.repeat(2000) }));
  const { message = '' } = healths.of('d', 'pool', 'gpu-0');
  assert.deepEqual([message.length, message.slice(-4)], [1024, 'x...']);
  healths.note('d', []);
  assert.equal(healths.of('d', 'pool', 'gpu-0').health, 'Unhealthy', 'it was left out');
  healths.note('d', undefined);
  assert.equal(healths.of('d', 'pool', 'gpu-0').health, 'Unknown');
  assert.equal(changes.length, 3);
  healths.note('d', undefined);
  assert.equal(changes.length, 3);
  healths.close();
});

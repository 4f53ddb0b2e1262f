import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { pluginOf, storageMetrics } from './storage-metrics.ts';

test('mounts are timed by plugin and outcome, and volumes counted as asked for and as they are', async () => {
  const registry = new MetricsRegistry();
  const clock = new VirtualClock();
  const metrics = storageMetrics(registry);
  assert.equal(storageMetrics(registry), metrics);
  const secret = pluginOf({ name: 'v', secret: { secretName: 's' } });
  const claim = pluginOf({ name: 'v', persistentVolumeClaim: { claimName: 'c' } });
  await metrics.mount(clock, secret, async () => {
    await Promise.all([clock.sleep(400), clock.advance(400)]);
  });
  const failing = metrics.mount(clock, claim, () => Promise.reject(new Error('no room')));
  await assert.rejects(failing, /no room/);
  metrics.watch('desired', () => [secret, secret, claim]);
  metrics.watch('actual', () => [secret]);
  const text = registry.expose();
  const operation = (plugin: string, status: string) =>
    `{migrated="false",operation_name="volume_mount",status="${status}",volume_plugin="kubernetes.io/${plugin}"`;
  for (const line of [
    `storage_operation_duration_seconds_bucket${operation('secret', 'success')},le="0.25"} 0`,
    `storage_operation_duration_seconds_bucket${operation('secret', 'success')},le="0.5"} 1`,
    `storage_operation_duration_seconds_count${operation('local-volume', 'fail-unknown')}} 1`,
    'volume_manager_total_volumes{plugin_name="kubernetes.io/secret",state="desired_state_of_world"} 2',
    'volume_manager_total_volumes{plugin_name="kubernetes.io/local-volume",state="desired_state_of_world"} 1',
    'volume_manager_total_volumes{plugin_name="kubernetes.io/secret",state="actual_state_of_world"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), `${line}\nis not in\n${text}`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolume } from '../../api/resources.gen.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { storageMetrics } from './storage-metrics.ts';

const secret = { name: 's', secret: { secretName: 's' } };
const claim = { name: 'c', persistentVolumeClaim: { claimName: 'c' } };

test('what is done to volumes is timed by plugin and outcome, and volumes counted as asked for and as they are', async () => {
  const registry = new MetricsRegistry();
  const clock = new VirtualClock();
  const metrics = storageMetrics(registry);
  assert.equal(storageMetrics(registry), metrics);
  const volumes = [secret, claim];
  const mount = (work: () => Promise<void>) =>
    metrics.operation(clock, { name: 'volume_mount', podUid: 'u', volumes }, work);
  await mount(async () => {
    await Promise.all([clock.sleep(400), clock.advance(400)]);
  });
  // Only now it is known which volume the claim has.
  const failing = mount(async () => {
    metrics.claimed('u', 'c', sparse<PersistentVolume>({ spec: { csi: { driver: 'd.io' } } }));
    throw new Error('no room');
  });
  await assert.rejects(failing, /no room/);
  const unmount = { name: 'volume_unmount', podUid: 'u', volumes: [claim] } as const;
  await metrics.operation(clock, unmount, async () => undefined);
  metrics.watch('desired', () => ['kubernetes.io/secret', 'kubernetes.io/secret', 'kubernetes.io/csi:d.io']);
  metrics.watch('actual', () => ['kubernetes.io/secret']);
  const text = registry.expose();
  const operation = (name: string, plugin: string, status: string) =>
    `{migrated="false",operation_name="${name}",status="${status}",volume_plugin="kubernetes.io/${plugin}"`;
  for (const line of [
    `storage_operation_duration_seconds_bucket${operation('volume_mount', 'secret', 'success')},le="0.25"} 0`,
    `storage_operation_duration_seconds_bucket${operation('volume_mount', 'secret', 'success')},le="0.5"} 1`,
    `storage_operation_duration_seconds_count${operation('volume_mount', 'csi:d.io', 'fail-unknown')}} 1`,
    `storage_operation_duration_seconds_count${operation('volume_unmount', 'csi:d.io', 'success')}} 1`,
    'volume_manager_total_volumes{plugin_name="kubernetes.io/secret",state="desired_state_of_world"} 2',
    'volume_manager_total_volumes{plugin_name="kubernetes.io/csi:d.io",state="desired_state_of_world"} 1',
    'volume_manager_total_volumes{plugin_name="kubernetes.io/secret",state="actual_state_of_world"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), `${line}\nis not in\n${text}`);
  assert.ok(!text.includes(operation('volume_mount', 'csi:d.io', 'success')), 'a guess was noted');
  metrics.forget('u');
  assert.equal(metrics.pluginOf('u', claim), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PersistentVolumeClaim } from '../../api/resources.gen.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { runVolumeCounts } from './volume-counts.ts';

function environmentOf(metrics: MetricsRegistry, ...objects: object[]): ControllerEnvironment {
  const of = (type: unknown) => ({
    list: () => objects.filter((object) => 'accessModes' in object === (type === PersistentVolumeClaim)),
  });
  return sparse<ControllerEnvironment>({ metrics, informers: { of } });
}

test('volumes and claims are counted by class, plugin and namespace, and by whether they are bound', async () => {
  const metrics = new MetricsRegistry();
  const volume = (spec: object, phase: string) => ({ metadata: { name: 'v' }, spec, status: { phase } });
  const claim = {
    metadata: { namespace: 'shop' },
    spec: { storageClassName: 'fast' },
    status: {},
    accessModes: [],
  };
  const { signal } = new AbortController();
  await runVolumeCounts(environmentOf(metrics), signal);
  // It leads again.
  await runVolumeCounts(
    environmentOf(
      metrics,
      volume({ hostPath: { path: '/a' }, storageClassName: 'fast', volumeMode: 'Filesystem' }, 'Bound'),
      volume({ hostPath: { path: '/b' }, storageClassName: 'fast' }, 'Bound'),
      volume({ csi: { driver: 'ebs.example.com' }, volumeMode: 'Block' }, 'Available'),
      claim,
    ),
    signal,
  );
  const lines = metrics.expose().split('\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('pv_')),
    [
      'pv_collector_bound_pv_count{storage_class="fast"} 2',
      'pv_collector_total_pv_count{plugin_name="kubernetes.io/host-path",volume_mode="Filesystem"} 2',
      'pv_collector_total_pv_count{plugin_name="kubernetes.io/csi:ebs.example.com",volume_mode="Block"} 1',
      'pv_collector_unbound_pv_count{storage_class=""} 1',
      'pv_collector_unbound_pvc_count{namespace="shop",storage_class="fast",volume_attributes_class=""} 1',
    ],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { testPod } from '../pod.fixture.ts';
import { podCounts } from './pod-metrics.ts';

test('pods and containers that start, fail, are refused or must go are counted under upstream’s names', () => {
  const registry = new MetricsRegistry();
  const counts = podCounts(registry);
  const pod = testPod({ initContainers: [{ name: 'i', image: 'img:1' }] });
  counts.sandboxStarted('', 'succeeded', 0.2);
  counts.sandboxStarted('kata', 'failed', 1);
  counts.containerStarts(pod, 'i');
  counts.containerStarts(pod, 'c');
  counts.containerEnded(pod, 'c', { exitCode: 139, reason: 'Error' });
  counts.containerFailed(pod, 'c', 'ErrImagePull');
  counts.imageVolumeRequested('succeeded');
  counts.imageVolumeRequested('failed');
  counts.refused('OutOfcpu');
  counts.evicted('memory.available');
  counts.preempted('cpu');
  counts.userNamespaceStarted('failed');
  counts.workBegan(pod, 0.1);
  counts.hookFellBack();
  counts.resizeRequested({ resource: 'cpu', requirement: 'limits', operation: 'add' });
  counts.resized('failed', 20);
  counts.hookSleepCutShort();
  counts.evictionDecided('memory.available', 0.02);
  const values = registry
    .expose()
    .split('\n')
    .filter((line) => !line.startsWith('#') && !/_bucket|_sum/.test(line) && line !== '');
  assert.deepEqual(values.sort(), [
    'kubelet_admission_rejections_total{reason="OutOfcpu"} 1',
    'kubelet_container_requested_resizes_total{operation="add",requirement="limits",resource="cpu"} 1',
    'kubelet_containers_per_pod_count_count 1',
    'kubelet_eviction_stats_age_seconds_count{eviction_signal="memory.available"} 1',
    'kubelet_evictions{eviction_signal="memory.available"} 1',
    'kubelet_image_volume_mounted_errors_total 1',
    'kubelet_image_volume_mounted_succeed_total 1',
    'kubelet_image_volume_requested_total 2',
    'kubelet_lifecycle_handler_http_fallbacks_total 1',
    'kubelet_pod_resize_duration_milliseconds_count{success="false"} 1',
    'kubelet_pod_worker_start_duration_seconds_count 1',
    'kubelet_preemptions{preemption_signal="cpu"} 1',
    'kubelet_run_podsandbox_duration_seconds_count{runtime_handler=""} 1',
    'kubelet_run_podsandbox_duration_seconds_count{runtime_handler="kata"} 1',
    'kubelet_run_podsandbox_errors_total{runtime_handler="kata"} 1',
    'kubelet_sleep_action_terminated_early_total 1',
    'kubelet_started_containers_errors_total{container_type="container",code="ErrImagePull"} 1',
    'kubelet_started_containers_total{container_type="container"} 1',
    'kubelet_started_containers_total{container_type="init_container"} 1',
    'kubelet_started_pods_errors_total 1',
    'kubelet_started_pods_total 2',
    'kubelet_started_user_namespaced_pods_errors_total 1',
    'kubelet_started_user_namespaced_pods_total 1',
    'kubelet_terminated_containers_total{container_type="container",exit_code="139",reason="Error"} 1',
  ]);
});

test('what has no labels is there before anything was counted', () => {
  const registry = new MetricsRegistry();
  podCounts(registry);
  const lines = registry.expose().split('\n');
  for (const name of ['started_pods_total', 'started_pods_errors_total', 'image_volume_requested_total'])
    assert.ok(lines.includes(`kubelet_${name} 0`), name);
});

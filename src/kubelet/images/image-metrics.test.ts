import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { imageMetrics } from './image-metrics.ts';

test('requests are counted by what was found', () => {
  const registry = new MetricsRegistry();
  const metrics = imageMetrics(registry);
  metrics.requested('IfNotPresent', { isPresent: true, mustPull: false });
  metrics.requested('Always', { mustPull: true });
  for (const labels of [
    'pull_policy="ifnotpresent",present_locally="true",pull_required="false"',
    'pull_policy="always",present_locally="unknown",pull_required="true"',
  ])
    assert.ok(
      registry.expose().includes(`kubelet_image_manager_ensure_image_requests_total{${labels}} 1`),
      registry.expose(),
    );
});

test('pulls are counted by the size of what was pulled', () => {
  const registry = new MetricsRegistry();
  const metrics = imageMetrics(registry);
  for (const [bytes, label] of [
    [0, 'N/A'],
    [1, '0-10MB'],
    [10 * 1024 ** 2, '0-10MB'],
    [10 * 1024 ** 2 + 1, '10MB-100MB'],
    [2 * 1024 ** 3, '1GB-5GB'],
    [1024 ** 4, 'GT100GB'],
  ] as const) {
    metrics.pulled(bytes, 2);
    const line = `kubelet_image_pull_duration_seconds_bucket{image_size_in_bytes="${label}",le="5"}`;
    assert.ok(registry.expose().includes(line), label);
  }
});

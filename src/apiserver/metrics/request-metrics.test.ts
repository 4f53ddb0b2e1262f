import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';
import { RequestMetrics } from './request-metrics.ts';

test('events of a resource are one series, also after its definition has changed', () => {
  const metrics = new MetricsRegistry();
  const requests = new RequestMetrics(metrics, new VirtualClock(), sparse<KindRegistry>({}));
  const served = () =>
    sparse<ServedResource>({
      group: 'example.com',
      version: 'v1',
      apiVersion: 'example.com/v1',
      plural: 'shops',
    });
  requests.eventsSent(served(), 2, 100);
  requests.eventsSent(served(), 1, 50);
  const lines = metrics.expose().split('\n');
  assert.deepEqual(
    lines.filter((line) => line.startsWith('apiserver_watch_events_total{')),
    ['apiserver_watch_events_total{group="example.com",version="v1",resource="shops"} 3'],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { KindRegistry, ServedResource } from '../registry/kind-registry.ts';
import type { RequestContext } from '../request.ts';
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

test('requests for what is made up leave room for those of what is served', () => {
  const metrics = new MetricsRegistry();
  const kinds = sparse<KindRegistry>({
    find: (_group, _version, plural) => (plural === 'pods' ? sparse<ServedResource>({}) : undefined),
  });
  const requests = new RequestMetrics(metrics, new VirtualClock(), kinds);
  const answered = (resource: string, subresource: string) =>
    requests.begin(
      sparse<RequestContext>({
        info: { verb: 'get', group: '', version: 'v1', resource, subresource, name: 'a', namespace: 'b' },
        request: { search: '' },
        waited: { ms: 0 },
      }),
    )(200, 1);
  for (let count = 0; count < 3_000; count++) answered(`x${count}`, count % 2 === 0 ? '' : `y${count}`);
  answered('pods', '');
  const lines = metrics.expose().split('\n');
  const totals = lines.filter((line) => line.startsWith('apiserver_request_total{'));
  assert.equal(totals.length, 1_001);
  assert.equal(totals.filter((line) => line.includes('resource="pods"')).length, 1);
});

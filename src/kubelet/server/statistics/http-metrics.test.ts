import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../../base/metrics.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import { measureRequests } from './http-metrics.ts';

test('requests are counted by the first word of their path, and while they last', async () => {
  const registry = new MetricsRegistry();
  const clock = new VirtualClock();
  const begin = measureRequests(registry, clock);
  const samples = (name: string) =>
    registry
      .expose()
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`));
  const end = begin('POST', '/exec/default/web/app');
  begin('GET', '/metrics/cadvisor')();
  begin('BREW', '/teapot/7')();
  const exec = '{long_running="true",method="POST",path="exec",server_type="readwrite"}';
  assert.deepEqual(samples('kubelet_http_requests_total'), [
    `kubelet_http_requests_total${exec} 1`,
    'kubelet_http_requests_total{long_running="false",method="GET",path="metrics/cadvisor",server_type="readwrite"} 1',
    'kubelet_http_requests_total{long_running="false",method="other",path="other",server_type="readwrite"} 1',
  ]);
  assert.equal(samples('kubelet_http_inflight_requests')[0], `kubelet_http_inflight_requests${exec} 1`);
  await clock.advance(2_000);
  end();
  assert.ok(
    samples('kubelet_http_requests_duration_seconds_sum').includes(
      `kubelet_http_requests_duration_seconds_sum${exec} 2`,
    ),
  );
});

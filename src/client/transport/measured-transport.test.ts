import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { measuredTransport } from './measured-transport.ts';
import { type Transport, TransportError } from './transport.ts';

test('requests are counted by code and method, those without an answer too, and all clients of a process together', async () => {
  const metrics = new MetricsRegistry();
  const clock = new VirtualClock();
  const answering: Transport = {
    async send({ method }) {
      if (method === 'DELETE') throw new TransportError('gone');
      return { status: method === 'POST' ? 201 : 200, object: {} };
    },
    close: () => undefined,
  };
  const first = measuredTransport(answering, 'a:6443', { metrics, clock });
  const second = measuredTransport(answering, 'a:6443', { metrics, clock });
  await first.send({ method: 'GET', path: '/' });
  await second.send({ method: 'GET', path: '/' });
  await first.send({ method: 'POST', path: '/' });
  await assert.rejects(first.send({ method: 'DELETE', path: '/' }), TransportError);
  const lines = metrics
    .expose()
    .split('\n')
    .filter((line) => line.startsWith('rest_client_requests_total'));
  assert.deepEqual(lines, [
    'rest_client_requests_total{code="200",host="a:6443",method="GET"} 2',
    'rest_client_requests_total{code="201",host="a:6443",method="POST"} 1',
    'rest_client_requests_total{code="<error>",host="a:6443",method="DELETE"} 1',
  ]);
  assert.match(metrics.expose(), /rest_client_request_duration_seconds_count\{host="a:6443",verb="GET"\} 2/);
});

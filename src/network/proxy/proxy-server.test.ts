import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { freePort } from '../../base/system/free-ports.fixture.ts';
import { startProxyServer } from './proxy-server.ts';

test('the proxy serves its health to others, and its mode and metrics to the node', async () => {
  const ports = { health: await freePort(), status: await freePort() };
  const metrics = new MetricsRegistry();
  metrics.counter('kubeproxy_test_total', 'A counter.').add(2);
  const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  let isHealthy = true;
  let node = { metadata: { name: 'n' }, spec: {} } as Node;
  const stop = new AbortController();
  startProxyServer(
    {
      ports,
      metrics,
      logger: silentLogger,
      now: () => now,
      health: () => ({ isHealthy, lastUpdatedMs: now - 1000 }),
      node: () => node,
    },
    stop.signal,
  );
  const ask = async (port: number, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, body: await answer.text() };
  };
  const body = (nodeEligible: boolean) =>
    JSON.stringify({
      lastUpdated: '2026-01-02 03:04:04.678 +0000 UTC',
      currentTime: '2026-01-02 03:04:05.678 +0000 UTC',
      nodeEligible,
    });
  assert.deepEqual(await ask(ports.health, '/healthz'), { status: 200, body: body(true) });
  assert.equal((await ask(ports.health, '/metrics')).status, 404);

  isHealthy = false;
  assert.equal((await ask(ports.health, '/healthz?x=1')).status, 503);
  isHealthy = true;
  for (const going of [
    { ...node, metadata: { ...node.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
    { ...node, spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] } },
  ] as Node[]) {
    node = going;
    assert.deepEqual(await ask(ports.health, '/healthz'), { status: 503, body: body(false) });
    assert.equal((await ask(ports.health, '/livez')).status, 200);
  }

  assert.deepEqual(await ask(ports.status, '/proxyMode'), { status: 200, body: 'nftables' });
  assert.match((await ask(ports.status, '/metrics')).body, /^kubeproxy_test_total 2$/m);
  stop.abort();
  await assert.rejects(ask(ports.status, '/healthz'));
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { it } from 'node:test';
import type { Service } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { createHealthChecks } from './health-check.ts';

it('a health check port answers whether the node has an endpoint of the service', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const stop = new AbortController();
  const checks = createHealthChecks(silentLogger, stop.signal);
  const service = {
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port },
  } as Service;
  checks.set(service, 2);
  const healthy = await fetch(`http://127.0.0.1:${port}/healthz`);
  assert.equal(healthy.status, 200);
  assert.deepEqual(await healthy.json(), {
    service: { namespace: 'default', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
  checks.set(service, 0);
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503);
  stop.abort();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});

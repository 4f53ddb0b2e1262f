import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { it } from 'node:test';
import type { Service } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createHealthChecks } from './health-check.ts';

const serviceAt = (port: number) =>
  ({
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: port },
  }) as Service;

/** A program on a port of its own. */
async function occupied(): Promise<{ port: number; release(): Promise<void> }> {
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, release: () => new Promise((resolve) => server.close(() => resolve())) };
}

const ask = (port: number) => fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } });

it('a health check port answers whether the node has an endpoint of the service', async () => {
  const { port, release } = await occupied();
  await release();
  const stop = new AbortController();
  let isHealthy = true;
  const options = { clock: new VirtualClock(), logger: silentLogger, isProxyHealthy: () => isHealthy };
  const checks = createHealthChecks(options, stop.signal);
  const service = serviceAt(port);
  checks.set(service, 2);
  const healthy = await ask(port);
  assert.equal(healthy.status, 200);
  assert.deepEqual(await healthy.json(), {
    service: { namespace: 'default', name: 'web' },
    localEndpoints: 2,
    serviceProxyHealthy: true,
  });
  isHealthy = false;
  const stale = await ask(port);
  assert.equal(stale.status, 503);
  assert.match(await stale.text(), /"serviceProxyHealthy":false/);
  isHealthy = true;
  checks.set(service, 0);
  assert.equal((await ask(port)).status, 503);
  stop.abort();
  await assert.rejects(ask(port));
});

it('a health check port that another program has is served once it is free', async () => {
  const { port, release } = await occupied();
  const clock = new VirtualClock();
  const failed = Promise.withResolvers<void>();
  const logger = { ...silentLogger, warn: () => failed.resolve() };
  const stop = new AbortController();
  const checks = createHealthChecks({ clock, logger, isProxyHealthy: () => true }, stop.signal);
  checks.set(serviceAt(port), 1);
  await failed.promise;
  await release();
  await assert.rejects(ask(port));
  await clock.advance(15_000);
  assert.equal((await ask(port)).status, 200);
  stop.abort();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createTestServer } from '../server.fixture.ts';

test('the kubernetes service is back, at its address, ten seconds after it was deleted', async () => {
  await using server = await createTestServer();
  const path = '/api/v1/namespaces/default/services/kubernetes';
  assert.equal((await server.ask('DELETE', path)).status, 200);
  assert.equal((await server.ask('GET', path)).status, 404);
  await server.clock.advance(10_000);
  const { status, object } = await server.ask('GET', path);
  assert.deepEqual([status, object.spec?.clusterIP], [200, '10.96.0.1']);
});

test('the kubernetes service leads to every server of the store, and no longer to one that has died or ended', async () => {
  const clock = new VirtualClock();
  const store = createMemoryStore();
  const authority = await createAuthority('test');
  const serving = await issueCertificate(authority, { commonName: 'server', usages: ['server'] });
  const serve = async (advertiseAddress: string, host: string, port: number) => {
    const server = await createTestServer({ store, clock, sharedStore: true, advertiseAddress });
    const listener = await server.api.listen({ host, port, ...serving, clientCa: authority.cert });
    return { server, port: listener.port };
  };
  const { server: one, port } = await serve('10.1.0.1', '127.0.0.1', 0);
  const addresses = async () => {
    const { object } = await one.ask('GET', '/api/v1/namespaces/default/endpoints/kubernetes');
    return (object.subsets[0].addresses as { ip: string }[]).map(({ ip }) => ip);
  };
  const silent = JSON.stringify({ address: '10.1.0.9', port });
  await store.create('/registry/masterleases/10.1.0.9', Buffer.from(silent));
  // As upstream's servers write theirs.
  await store.create('/registry/masterleases/10.1.0.8', Buffer.from('k8s\0\n\x0f\n\x02v1'));
  const { server: two } = await serve('10.1.0.2', '127.0.0.2', port);
  await clock.advance(10_000);
  assert.deepEqual(await addresses(), ['10.1.0.1', '10.1.0.2', '10.1.0.9'], 'silence may be an accident');
  await clock.advance(20_000);
  assert.deepEqual(await addresses(), ['10.1.0.1', '10.1.0.2']);
  await two.api.close();
  assert.deepEqual(await addresses(), ['10.1.0.1']);
  await one.api.close();
});

test('servers that start together on an empty store both start', async () => {
  const store = createMemoryStore();
  const update = store.update.bind(store);
  let races = 0;
  Object.assign(store, {
    async update(key: string, value: Uint8Array, expected: number) {
      // The other server is slightly faster.
      if (key.endsWith('servicecidrs/kubernetes') && races++ === 0) await update(key, value, expected);
      return update(key, value, expected);
    },
  });
  await using server = await createTestServer({ store });
  const { object } = await server.ask('GET', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes');
  assert.equal(object.status.conditions.length, 1);
  assert.equal(races, 1);
});

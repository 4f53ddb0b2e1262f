import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';

async function textOf(server: Awaited<ReturnType<typeof createTestServer>>, path: string): Promise<string> {
  const { object } = await server.ask('GET', path);
  return object as unknown as string;
}

test('readiness asks more than liveness does, under upstream’s names', async () => {
  await using server = await createTestServer();
  await server.clock.advance(1);
  const names = async (endpoint: string) =>
    [...(await textOf(server, `/${endpoint}?verbose`)).matchAll(/^\[\+\](\S+) ok$/gm)].map(
      ([, name]) => name,
    );
  const [live, ready] = [await names('livez'), await names('readyz')];
  const more = ready.filter((name) => !live.includes(name));
  assert.deepEqual(more, ['etcd-readiness', 'informer-sync', 'shutdown']);
  assert.deepEqual(live.slice(0, 3), ['ping', 'log', 'etcd']);
  assert.ok(live.includes('poststarthook/start-apiextensions-controllers'));
  assert.ok(live.includes('poststarthook/start-cluster-authentication-info-controller'));
  assert.equal(ready.at(-1), 'shutdown');
});

test('a server is well once every group version of its own has an APIService', async () => {
  await using server = await createTestServer();
  const check = '/livez/autoregister-completion';
  assert.equal(await textOf(server, check), 'internal server error: missing APIService\n');
  assert.equal((await server.ask('GET', '/readyz')).status, 500);
  await server.clock.advance(1);
  assert.equal(await textOf(server, check), 'ok');
  const { object } = await server.ask('GET', '/apis/apiregistration.k8s.io/v1/apiservices');
  assert.ok(object.items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === 'v1.apps'));
  assert.equal((await server.ask('GET', '/readyz')).status, 200);
});

test('a check can be requested by name, and excluded by name', async () => {
  await using server = await createTestServer();
  await server.clock.advance(1);
  assert.equal(await textOf(server, '/readyz/shutdown'), 'ok');
  assert.equal(await textOf(server, '/livez/poststarthook/rbac/bootstrap-roles'), 'ok');
  assert.equal(await textOf(server, '/livez/shutdown'), '404 page not found\n');
  assert.match(
    await textOf(server, '/livez?exclude=etcd&exclude=shutdown&verbose'),
    /\[\+\]etcd excluded: ok\n[\s\S]*warn: some health checks cannot be excluded: no matches for "shutdown"\nlivez check passed\n$/,
  );
});

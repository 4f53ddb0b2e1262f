import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from './server.fixture.ts';

async function textOf(server: Awaited<ReturnType<typeof createTestServer>>, path: string): Promise<string> {
  const { object } = await server.ask('GET', path);
  return object as unknown as string;
}

test('readiness asks more than liveness does, under upstream’s names', async () => {
  await using server = await createTestServer();
  const names = async (endpoint: string) =>
    [...(await textOf(server, `/${endpoint}?verbose`)).matchAll(/^\[\+\](\S+) ok$/gm)].map(
      ([, name]) => name,
    );
  const [live, ready] = [await names('livez'), await names('readyz')];
  const more = ready.filter((name) => !live.includes(name));
  assert.deepEqual(more, ['etcd-readiness', 'informer-sync', 'shutdown']);
  assert.deepEqual(live.slice(0, 3), ['ping', 'log', 'etcd']);
  assert.ok(live.includes('poststarthook/start-apiextensions-controllers'));
  assert.equal(ready.at(-1), 'shutdown');
});

test('one check is asked by its name, and others are left out by theirs', async () => {
  await using server = await createTestServer();
  assert.equal(await textOf(server, '/readyz/shutdown'), 'ok');
  assert.equal(await textOf(server, '/livez/poststarthook/rbac/bootstrap-roles'), 'ok');
  assert.equal(await textOf(server, '/livez/shutdown'), '404 page not found\n');
  assert.match(
    await textOf(server, '/livez?exclude=etcd&exclude=shutdown&verbose'),
    /\[\+\]etcd excluded: ok\n[\s\S]*warn: some health checks cannot be excluded: no matches for "shutdown"\nlivez check passed\n$/,
  );
});

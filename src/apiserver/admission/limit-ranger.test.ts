import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch, type TestServer } from '../server.fixture.ts';

const inDefault = '/api/v1/namespaces/default';

/** A server whose namespace `default` allows from half of something to one. */
async function withBounds(type: string, resource: string): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', `${inDefault}/serviceaccounts`, { metadata: { name: 'default' } });
  const bounds = { type, min: { [resource]: '500m' }, max: { [resource]: '1' } };
  await server.ask('POST', `${inDefault}/limitranges`, {
    metadata: { name: 'l' },
    spec: { limits: [bounds] },
  });
  return server;
}

const minimum = 'minimum cpu usage per Pod is 500m';
const maximum = 'maximum cpu usage per Pod is 1';

for (const [request, limit, problems] of [
  ['500m', '1', []],
  [undefined, undefined, [`${minimum}.  No request is specified`, `${maximum}.  No limit is specified`]],
  ['600m', undefined, [`${maximum}.  No limit is specified`]],
  ['2', undefined, [`${maximum}.  No limit is specified`]],
  ['100m', '1', [`${minimum}, but request is 100m`]],
  ['100m', '200m', [`${minimum}, but request is 100m`]],
  ['500m', '1500m', [`${maximum}, but limit is 1500m`]],
  ['1500m', '2', [`${maximum}, but limit is 2`]],
  ['100m', '2', [`${minimum}, but request is 100m`, `${maximum}, but limit is 2`]],
] as const)
  test(`of a pod that requests ${request} and is limited to ${limit}, the first fault with each bound is told`, async () => {
    await using server = await withBounds('Pod', 'cpu');
    const resources = {
      ...(request && { requests: { cpu: request } }),
      ...(limit && { limits: { cpu: limit } }),
    };
    const { status, object } = await server.ask('POST', `${inDefault}/pods`, {
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'c', image: 'i', resources }] },
    });
    assert.equal(status, problems.length > 0 ? 403 : 201);
    if (problems.length === 0) return;
    const why = problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`;
    assert.equal(object.message, `pods "p" is forbidden: ${why}`);
  });

test('what is wrong with several containers is told once', async () => {
  await using server = await withBounds('Container', 'cpu');
  const containers = ['a', 'b'].map((name) => ({
    name,
    image: 'i',
    resources: { requests: { cpu: '100m' }, limits: { cpu: '1' } },
  }));
  const { object } = await server.ask('POST', `${inDefault}/pods`, {
    metadata: { name: 'p' },
    spec: { containers },
  });
  assert.equal(
    object.message,
    'pods "p" is forbidden: minimum cpu usage per Container is 500m, but request is 100m',
  );
});

test('a claim is held against both bounds by its request', async () => {
  await using server = await withBounds('PersistentVolumeClaim', 'storage');
  const ask = async (storage: string) => {
    const { object } = await server.ask('POST', `${inDefault}/persistentvolumeclaims?dryRun=All`, {
      metadata: { name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    });
    return object.message?.replace('persistentvolumeclaims "c" is forbidden: ', '');
  };
  const rule = (bound: string) => `${bound} storage usage per PersistentVolumeClaim is`;
  assert.equal(await ask('100m'), `${rule('minimum')} 500m, but request is 100m`);
  assert.equal(await ask('2'), `${rule('maximum')} 1, but request is 2`);
  assert.equal(await ask('1'), undefined);
});

test('a claim that is being deleted is rid of its finalizers, whatever bounds there are now', async () => {
  await using server = await createTestServer();
  const claims = `${inDefault}/persistentvolumeclaims`;
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2' } } };
  await server.ask('POST', claims, { metadata: { name: 'c' }, spec });
  await server.ask('POST', `${inDefault}/limitranges`, {
    metadata: { name: 'l' },
    spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '1' } }] },
  });
  const change = (metadata: object) => server.ask('PATCH', `${claims}/c`, { metadata }, mergePatch);
  assert.equal((await change({ labels: { a: 'b' } })).status, 403);
  await server.ask('DELETE', `${claims}/c`);
  assert.equal((await change({ finalizers: null })).status, 200);
  assert.equal((await server.ask('GET', `${claims}/c`)).status, 404);
});

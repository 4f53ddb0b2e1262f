import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '../../storage/memory.ts';
import { moveKeys } from '../../storage/move-keys.ts';
import { serveShops } from '../custom-resources/shops.fixture.ts';
import { createTestServer, type TestServer } from '../server.fixture.ts';

const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
const versions = [{ name: 'v2', served: true, storage: true, schema }];
const apiService = '/apis/apiregistration.k8s.io/v1/apiservices';
const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shops.example.com';

/** What must outlast a move, but for the revision. */
async function identitiesIn({ ask }: TestServer): Promise<unknown[]> {
  const answers = [await ask('GET', definition), await ask('GET', `${apiService}/v1.foreign.example`)];
  return answers.map(({ status, object }) => [status, object.metadata?.uid, object.spec]);
}

test('definitions and APIServices are kept where upstream keeps them, and found where older servers did', async () => {
  const store = createMemoryStore();
  const keys = async () => (await store.list('/registry/')).entries.map(({ key }) => key);
  let identities: unknown[];
  {
    await using server = await createTestServer({ store });
    const shops = await serveShops(server, versions);
    await server.ask('POST', shops('v2'), {
      apiVersion: 'example.com/v2',
      kind: 'Shop',
      metadata: { name: 'corner' },
    });
    await server.ask('POST', apiService, {
      metadata: { name: 'v1.foreign.example' },
      spec: {
        group: 'foreign.example',
        version: 'v1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { namespace: 'default', name: 'foreign' },
      },
    });
    identities = await identitiesIn(server);
  }
  const now = await keys();
  assert.ok(now.includes('/registry/apiextensions.k8s.io/customresourcedefinitions/shops.example.com'));
  assert.ok(now.includes('/registry/apiregistration.k8s.io/apiservices/v1.foreign.example'));
  assert.ok(now.includes('/registry/example.com/shops/corner'));

  // As an older server left them.
  await moveKeys(store, {
    from: '/registry/apiextensions.k8s.io/customresourcedefinitions/',
    to: '/registry/customresourcedefinitions/',
  });
  await moveKeys(store, {
    from: '/registry/apiregistration.k8s.io/apiservices/',
    to: '/registry/apiservices/',
  });
  await using again = await createTestServer({ store });
  assert.deepEqual(await identitiesIn(again), identities);
  assert.deepEqual(await keys(), now);
  const corner = () => again.ask('GET', '/apis/example.com/v2/shops/corner');
  await again.clock.advanceUntil(async () => (await corner()).status === 200);
  const patched = await again.ask(
    'PATCH',
    definition,
    { metadata: { labels: { a: 'b' } } },
    'application/merge-patch+json',
  );
  assert.equal(patched.status, 200);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from '../../storage/memory.ts';
import { createTestServer, mergePatch } from '../server.fixture.ts';

test('servers that start together complete the same default role, and both start', async () => {
  const store = createMemoryStore();
  const path = '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:discovery';
  {
    await using server = await createTestServer({ store });
    await server.ask('PATCH', path, { rules: [] }, mergePatch);
  }
  // The other server is slightly faster.
  const update = store.update.bind(store);
  let races = 0;
  Object.assign(store, {
    async update(key: string, value: Uint8Array, expected: number) {
      if (key.endsWith('clusterroles/system:discovery') && races++ === 0) await update(key, value, expected);
      return update(key, value, expected);
    },
  });
  await using server = await createTestServer({ store });
  const { object } = await server.ask('GET', path);
  assert.ok(object.rules.length > 0);
  assert.equal(races, 1);
});

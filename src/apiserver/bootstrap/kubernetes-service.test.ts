import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';

test('the kubernetes service is back, at its address, ten seconds after somebody has deleted it', async () => {
  await using server = await createTestServer();
  const path = '/api/v1/namespaces/default/services/kubernetes';
  assert.equal((await server.ask('DELETE', path)).status, 200);
  assert.equal((await server.ask('GET', path)).status, 404);
  await server.clock.advance(10_000);
  const { status, object } = await server.ask('GET', path);
  assert.deepEqual([status, object.spec?.clusterIP], [200, '10.96.0.1']);
});

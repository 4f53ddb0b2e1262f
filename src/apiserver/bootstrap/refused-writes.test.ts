import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import { createTestServer } from '../server.fixture.ts';

const role = '/apis/rbac.authorization.k8s.io/v1/clusterroles/view';
const hooks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
/** Answers to no one, and has a say in everything. */
const away = {
  metadata: { name: 'away' },
  webhooks: [
    {
      name: 'away.example.com',
      clientConfig: { url: 'https://127.0.0.1:1/' },
      rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
    },
  ],
};

test('a server starts while a webhook for everything is away, and writes what is missing once that is gone', async () => {
  const store = createMemoryStore();
  {
    await using server = await createTestServer({ store });
    assert.equal((await server.ask('DELETE', role)).status, 200);
    assert.equal((await server.ask('POST', hooks, away)).status, 201);
  }
  await using server = await createTestServer({ store });
  assert.equal((await server.ask('GET', role)).status, 404);
  assert.equal((await server.ask('DELETE', `${hooks}/away`)).status, 200);
  const deadline = Date.now() + 30_000;
  while ((await server.ask('GET', role)).status !== 200) {
    assert.ok(Date.now() < deadline, 'the role is there again in time');
    await server.clock.advance(60_000);
    await systemClock.sleep(5);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] },
};

test('exec, attach and port-forward without an upgrade are bad requests, whatever the method', async () => {
  await using server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  assert.equal((await server.ask('POST', pods, pod)).status, 201);
  for (const subresource of ['exec?command=ls&stdout=1', 'attach?stdout=1', 'portforward?ports=80'])
    for (const method of ['GET', 'POST'] as const) {
      const { status, object } = await server.ask(method, `${pods}/p/${subresource}`);
      assert.deepEqual(
        [status, object.message],
        [400, 'Upgrade request required'],
        `${method} ${subresource}`,
      );
    }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../../server.fixture.ts';

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

test('who may only read pods/exec cannot run commands by a WebSocket, which is opened with GET', async () => {
  await using server = await createTestServer();
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const rules = [{ apiGroups: [''], resources: ['pods/exec', 'pods/log'], verbs: ['get'] }];
  const allow = async (name: string, verbs: string[]) => {
    const role = { metadata: { name }, rules: [{ ...rules[0], verbs }] };
    assert.equal((await server.ask('POST', `${rbac}/clusterroles`, role)).status, 201);
    const binding = {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
    };
    assert.equal((await server.ask('POST', `${rbac}/clusterrolebindings`, binding)).status, 201);
    const path = `${pods}/p/exec?command=ls&stdout=1`;
    const transport = server.api.localTransport({ name, groups: ['system:authenticated'] });
    const answer = await transport.send({ method: 'GET', path });
    return 'object' in answer ? [answer.status, (answer.object as { message: string }).message] : [];
  };
  assert.deepEqual(await allow('reader', ['get']), [403, 'pods "p" is forbidden: ']);
  assert.deepEqual(await allow('runner', ['get', 'create']), [404, 'pods "p" not found']);
});

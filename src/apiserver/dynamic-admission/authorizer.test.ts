import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../../api/resources.gen.ts';
import { createClient } from '../../client/create-client.ts';
import { createTestServer } from '../server.fixture.ts';

test('policies may ask what the user of a request, or a service account, is allowed', async () => {
  await using server = await createTestServer();
  const group = '/apis/admissionregistration.k8s.io/v1';
  const questions = [
    'authorizer.requestResource.check("create").allowed()',
    '!authorizer.requestResource.check("delete").allowed()',
    'authorizer.group("").resource("pods").namespace("default").check("list").allowed()',
    '!authorizer.group("apps").resource("deployments").subresource("scale").namespace("default").name("x").check("get").allowed()',
    '!authorizer.path("/metrics").check("get").allowed()',
    'authorizer.path("/metrics").check("get").reason() == ""',
  ];
  const policy = {
    metadata: { name: 'p' },
    spec: {
      matchConstraints: {
        resourceRules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
        ],
      },
      validations: questions.map((expression) => ({ expression, messageExpression: "'asked'" })),
    },
  };
  const made = await server.ask('POST', `${group}/validatingadmissionpolicies`, policy);
  assert.equal(made.status, 201, JSON.stringify(made.object));
  await server.ask('POST', `${group}/validatingadmissionpolicybindings`, {
    metadata: { name: 'p' },
    spec: { policyName: 'p', validationActions: ['Warn'] },
  });
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  await server.ask('POST', `${rbac}/roles`, {
    metadata: { name: 'r' },
    rules: [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
      { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
    ],
  });
  await server.ask('POST', `${rbac}/rolebindings`, {
    metadata: { name: 'r' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'jane' }],
  });
  await server.ask(
    'PATCH',
    `${group}/validatingadmissionpolicybindings/p`,
    {
      spec: { validationActions: ['Deny'] },
    },
    'application/merge-patch+json',
  );
  const jane = createClient(server.api.localTransport({ name: 'jane', groups: ['system:authenticated'] }));
  const created = await jane.create(ConfigMap, { metadata: { name: 'c', namespace: 'default' } });
  assert.equal(created.metadata.name, 'c');
  await assert.rejects(
    createClient(server.api.localTransport({ name: 'root', groups: ['system:masters'] })).create(ConfigMap, {
      metadata: { name: 'd', namespace: 'default' },
    }),
    /denied request: asked/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, type TestServer } from '../server.fixture.ts';

const group = '/apis/admissionregistration.k8s.io/v1';

/** Has a policy refuse what is created at `resource` unless the expression holds. */
async function guard(server: TestServer, resource: string, expression: string) {
  const name = resource.replace('/', '-');
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: [resource] };
  const made = await server.ask('POST', `${group}/validatingadmissionpolicies`, {
    metadata: { name },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression, message: 'not like this' }],
    },
  });
  assert.equal(made.status, 201, made.object.message);
  await server.ask('POST', `${group}/validatingadmissionpolicybindings`, {
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'] },
  });
}

const pods = '/api/v1/namespaces/default/pods';

test('policies judge what pods and service accounts are asked for through subresources', async () => {
  await using server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await server.ask('POST', pods, {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await guard(server, 'pods/binding', 'object.kind == "Binding" && object.target.name == "good"');
  await guard(
    server,
    'pods/eviction',
    'object.kind == "Eviction" && request.name == "p" && has(object.deleteOptions)',
  );
  const bind = (name: string) =>
    server.ask('POST', `${pods}/p/binding`, { metadata: { name: 'p' }, target: { kind: 'Node', name } });
  const refused = await bind('bad');
  assert.match(refused.object.message, /^pods "p" is forbidden: .* denied request: not like this$/);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.spec.nodeName, undefined);
  assert.equal((await bind('good')).status, 201);

  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } };
  assert.match((await server.ask('POST', `${pods}/p/eviction`, eviction)).object.message, /not like this/);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.metadata.deletionTimestamp, undefined);
  const evicted = await server.ask('POST', `${pods}/p/eviction`, {
    ...eviction,
    deleteOptions: { gracePeriodSeconds: 0 },
  });
  assert.equal(evicted.status, 201);
});

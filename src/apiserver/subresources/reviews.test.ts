import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenKeyPair } from '../../base/x509/pki.ts';
import { createTestServer } from '../server.fixture.ts';

const issuer = 'https://kubernetes.default.svc.cluster.local';

async function serverWithTokens() {
  return createTestServer({
    security: {
      serviceAccountKeys: await createTokenKeyPair(),
      staticTokens: new Map([['secret', { name: 'ann', groups: [] }]]),
    },
  });
}

test('a review is answered as an object of its own, with the owners of its fields', async () => {
  await using server = await serverWithTokens();
  const { object } = await server.ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } },
  });
  assert.deepEqual(object.metadata.managedFields[0].fieldsV1, {
    'f:spec': { 'f:resourceAttributes': { '.': {}, 'f:resource': {}, 'f:verb': {} }, 'f:user': {} },
  });
  const self = await server.ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
    metadata: { name: 'me' },
  });
  assert.deepEqual(Object.keys(self.object.metadata), ['creationTimestamp']);
});

test('a token that names no audience is meant for the server itself', async () => {
  await using server = await serverWithTokens();
  const review = async (audiences?: string[]) => {
    const spec = { token: 'secret', ...(audiences && { audiences }) };
    const { object } = await server.ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec });
    return object.status;
  };
  assert.deepEqual((await review()).audiences, [issuer]);
  assert.deepEqual((await review(['x', issuer])).audiences, [issuer]);
  assert.deepEqual(await review(['x']), { user: {}, error: 'invalid bearer token' });
});

test('selectors that cannot be parsed are reported, and the rest is evaluated', async () => {
  await using server = await serverWithTokens();
  const review = async (selectors: object) => {
    const resourceAttributes = { verb: 'list', resource: 'pods', ...selectors };
    const { object } = await server.ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      spec: { user: 'system:node:n1', groups: ['system:nodes'], resourceAttributes },
    });
    return object.status;
  };
  const own = { key: 'spec.nodeName', operator: 'In', values: ['n1'] };
  assert.deepEqual(await review({ fieldSelector: { rawSelector: 'spec.nodeName=n1' } }), { allowed: true });
  assert.deepEqual(await review({ fieldSelector: { requirements: [own] } }), { allowed: true });
  const some = { requirements: [own, { key: 'a', operator: 'Exists' }] };
  assert.deepEqual(await review({ fieldSelector: some, labelSelector: { rawSelector: 'a b' } }), {
    allowed: true,
    evaluationError:
      'spec.resourceAttributes.fieldSelector partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error',
  });
  const { allowed, reason } = await review({ fieldSelector: { rawSelector: 'spec.nodeName=n2' } });
  assert.equal(allowed, false);
  assert.match(reason, /^can only list\/watch pods with spec\.nodeName field selector/);
});

test('pods are bound by way of the old bindings resource, too', async () => {
  await using server = await serverWithTokens();
  await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const pods = '/api/v1/namespaces/default/pods';
  await server.ask('POST', pods, {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  const bind = (name: string) =>
    server.ask('POST', '/api/v1/namespaces/default/bindings', {
      metadata: { name },
      target: { kind: 'Node', name: 'n1' },
    });
  assert.equal((await bind('p')).status, 201);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.spec.nodeName, 'n1');
  assert.equal((await bind('q')).object.message, 'pods "q" not found');
});

test('a token request is made now, about the account that its path names', async () => {
  await using server = await serverWithTokens();
  const account = await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', {
    metadata: { name: 'sa' },
  });
  const { uid } = account.object.metadata;
  const request = (metadata: object) =>
    server.ask('POST', '/api/v1/namespaces/default/serviceaccounts/sa/token', { metadata, spec: {} });
  const { object } = await request({ labels: { a: 'b' } });
  const { name, namespace, labels, managedFields } = object.metadata;
  assert.deepEqual({ name, namespace, labels }, { name: 'sa', namespace: 'default', labels: { a: 'b' } });
  assert.equal(managedFields[0].subresource, 'token');
  assert.match((await request({ namespace: 'x' })).object.message, /^the namespace of the provided object/);
  assert.equal(object.metadata.uid, uid);
  assert.equal((await request({ uid })).status, 201);
  const other = await request({ uid: 'other' });
  assert.deepEqual(
    [other.status, other.object.message],
    [
      409,
      `Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "sa": the UID in the token request (other) does not match the UID of the service account (${uid})`,
    ],
  );
});

test('a local review has its namespace where it stands, and in what is quoted of it', async () => {
  await using server = await createTestServer();
  const path = '/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews';
  const spec = { user: 'u', resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } };
  const { object } = await server.ask('POST', path, { spec });
  assert.deepEqual(Object.keys(object), ['kind', 'apiVersion', 'metadata', 'spec', 'status']);
  assert.equal(object.metadata.namespace, 'default');
  const { object: refused } = await server.ask('POST', path, { metadata: { name: 'x' }, spec });
  assert.match(
    refused.message,
    /metadata: Invalid value: \{"name":"x","namespace":"default","managedFields":\[.*: must be empty except for namespace$/,
  );
});

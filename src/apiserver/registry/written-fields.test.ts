import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatchType, createTestServer, type TestServer } from '../server.fixture.ts';
import { samples } from './samples.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';

async function podServer(): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const resources = { requests: { cpu: '100m' } };
  const spec = { containers: [{ name: 'c', image: 'i', resources }] };
  const made = await server.ask('POST', pods, { metadata: { name: 'p' }, spec });
  assert.equal(made.status, 201, made.object.message);
  return server;
}

/** Applies as `me` and returns what `me` then owns. */
async function owned(server: TestServer, path: string, config: object): Promise<unknown> {
  const url = `${path}?fieldManager=me&force=true`;
  const { status, object } = await server.ask('PATCH', url, config, applyPatchType);
  assert.equal(status, 200, object.message);
  return object.metadata.managedFields.find(({ manager }: { manager: string }) => manager === 'me')?.fieldsV1;
}

test('applying the resize subresource owns nothing but resources', async () => {
  await using server = await podServer();
  const resources = { requests: { cpu: '200m' } };
  const config = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: { a: 'b' } },
    spec: { containers: [{ name: 'c', image: 'i', resources }] },
  };
  assert.deepEqual(await owned(server, `${pods}/p/resize`, config), {
    'f:spec': {
      'f:containers': {
        'k:{"name":"c"}': { '.': {}, 'f:resources': { 'f:requests': { 'f:cpu': {} } } },
      },
    },
  });
  const { object } = await server.ask('GET', `${pods}/p`);
  assert.equal(object.spec.containers[0].resources.requests.cpu, '200m');
  assert.equal(object.metadata.labels, undefined);
});

test('applying ephemeral containers owns nothing else', async () => {
  await using server = await podServer();
  const config = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }], ephemeralContainers: [{ name: 'e', image: 'x' }] },
  };
  assert.deepEqual(await owned(server, `${pods}/p/ephemeralcontainers`, config), {
    'f:spec': {
      'f:ephemeralContainers': { 'k:{"name":"e"}': { '.': {}, 'f:image': {}, 'f:name': {} } },
    },
  });
});

test('applying an approval owns neither the request nor its certificate', async () => {
  await using server = await createTestServer();
  const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
  const { body } = samples['certificates.k8s.io/certificatesigningrequests']!;
  const made = await server.ask('POST', path, { ...body, metadata: { name: 'r' } });
  assert.equal(made.status, 201, made.object.message);
  const conditions = [{ type: 'Approved', status: 'True', reason: 'x', message: 'y' }];
  const config = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'r' },
    ...body,
    status: { certificate: 'eA==', conditions },
  };
  const fields = await owned(server, `${path}/r/approval`, config);
  assert.deepEqual(fields, {
    'f:status': {
      'f:conditions': {
        'k:{"type":"Approved"}': { '.': {}, 'f:message': {}, 'f:reason': {}, 'f:status': {}, 'f:type': {} },
      },
    },
  });
  assert.equal((await server.ask('GET', `${path}/r`)).object.status.certificate, undefined);
});

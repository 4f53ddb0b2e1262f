import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { configMap, createTestServer, mergePatch, type TestServer } from '../server.fixture.ts';
import { startWebhookServer, type WebhookServer } from '../webhook-server.fixture.ts';

suite('reviews', () => {
  interface Review {
    request: {
      uid: string;
      name: string;
      subResource?: string;
      // biome-ignore lint/suspicious/noExplicitAny: objects of several kinds
      object: any;
      // biome-ignore lint/suspicious/noExplicitAny: the same
      oldObject: any;
    };
  }
  let server: TestServer;
  let hookServer: WebhookServer;
  let reviews: Review['request'][] = [];
  /** What the webhook puts in place of the object's parts, by path. */
  let replaced: Record<string, unknown> = {};

  before(async () => {
    hookServer = await startWebhookServer(({ request }: Review) => {
      reviews.push(request);
      const patch = Object.entries(replaced).map(([path, value]) => ({ op: 'add', path, value }));
      const change = {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      };
      const response = { uid: request.uid, allowed: true, ...(patch.length > 0 && change) };
      return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response };
    });
    server = await createTestServer();
    const everything = { apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] };
    const labels = { reviewed: 'yes' };
    await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'shop', labels } });
    const made = await server.ask(
      'POST',
      '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
      {
        metadata: { name: 'all' },
        webhooks: [
          {
            name: 'all.example.com',
            clientConfig: { url: hookServer.origin, caBundle: hookServer.caBundle },
            rules: [everything],
            namespaceSelector: { matchLabels: labels },
            admissionReviewVersions: ['v1'],
            sideEffects: 'None',
            timeoutSeconds: 30,
          },
        ],
      },
    );
    assert.equal(made.status, 201, JSON.stringify(made.object));
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    hookServer.close();
  });
  beforeEach(() => {
    reviews = [];
    replaced = {};
  });

  const path = '/api/v1/namespaces/shop/configmaps';

  test('what is deleted with its collection is shown, and the request names no object', async () => {
    await server.ask('POST', path, configMap('one', {}, { all: 'go' }));
    reviews = [];
    assert.equal((await server.ask('DELETE', `${path}?labelSelector=all%3Dgo`)).status, 200);
    assert.deepEqual(
      reviews.map(({ name, oldObject }) => [name, oldObject.metadata.name]),
      [['', 'one']],
    );
  });

  test('a scale that is patched is shown with the version that it has', async () => {
    const url = '/apis/apps/v1/namespaces/shop/deployments';
    const labels = { app: 'web' };
    const containers = [{ name: 'web', image: 'web' }];
    const template = { metadata: { labels }, spec: { containers } };
    const deployment = { metadata: { name: 'web' }, spec: { selector: { matchLabels: labels }, template } };
    assert.equal((await server.ask('POST', url, deployment)).status, 201);
    reviews = [];
    const patch = { spec: { replicas: 3 } };
    assert.equal((await server.ask('PATCH', `${url}/web/scale`, patch, mergePatch)).status, 200);
    const [{ object, oldObject } = { object: undefined, oldObject: undefined }] = reviews;
    assert.equal(object.spec.replicas, 3);
    assert.ok(oldObject.metadata.resourceVersion);
    assert.equal(object.metadata.resourceVersion, oldObject.metadata.resourceVersion);
  });

  test('a binding is shown in the namespace of its pod', async () => {
    const pods = '/api/v1/namespaces/shop/pods';
    const spec = { containers: [{ name: 'web', image: 'web' }] };
    await server.ask('POST', '/api/v1/namespaces/shop/serviceaccounts', { metadata: { name: 'default' } });
    const made = await server.ask('POST', pods, { metadata: { name: 'p' }, spec });
    assert.equal(made.status, 201, JSON.stringify(made.object));
    reviews = [];
    const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } };
    assert.equal((await server.ask('POST', `${pods}/p/binding`, binding)).status, 201);
    assert.equal(reviews[0]!.object.metadata.namespace, 'shop');
  });

  test('a namespace is chosen by the labels that it has where a subresource of it is written', async () => {
    const namespace = { metadata: { name: 'shop' }, spec: { finalizers: ['kubernetes'] } };
    const ask = () => server.ask('PUT', '/api/v1/namespaces/shop/finalize?dryRun=All', namespace);
    assert.equal((await ask()).status, 200);
    assert.deepEqual(
      reviews.map(({ name, subResource }) => [name, subResource]),
      [['shop', 'finalize']],
    );
  });

  test('what a webhook leaves out of the metadata, or spoils there, is as it was', async () => {
    const { object: before } = await server.ask('POST', path, configMap('spoilt', { a: 'b' }));
    const { uid, creationTimestamp } = before.metadata;
    replaced = { '/metadata': { name: 'spoilt', namespace: 'shop' }, '/data': { by: 'hook' } };
    const { status, object } = await server.ask('PUT', `${path}/spoilt`, configMap('spoilt', { a: 'c' }));
    assert.equal(status, 200, JSON.stringify(object));
    assert.deepEqual(object.data, { by: 'hook' });
    assert.deepEqual([object.metadata.uid, object.metadata.creationTimestamp], [uid, creationTimestamp]);

    replaced = { '/metadata/managedFields': [] };
    const { object: without } = await server.ask('POST', path, configMap('without', { a: 'b' }));
    assert.equal('managedFields' in without.metadata, false);

    replaced = { '/metadata/managedFields': [{ manager: 'x', operation: 'Update' }] };
    const { object: kept } = await server.ask('POST', path, configMap('kept', { a: 'b' }));
    const [{ manager, fieldsV1 }] = kept.metadata.managedFields;
    assert.notEqual(manager, 'x');
    assert.deepEqual(Object.keys(fieldsV1), ['f:data']);
  });

  test('a webhook cannot take the name from an object', async () => {
    await server.ask('POST', path, configMap('named'));
    replaced = { '/metadata': { namespace: 'shop' } };
    const { status } = await server.ask('PUT', `${path}/named`, configMap('named', { a: 'b' }));
    assert.equal(status, 422);
  });
});

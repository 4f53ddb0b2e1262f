/** Keys, fields and paths that are called like what every JavaScript object inherits. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { configMap, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';

suite('inherited names', () => {
  const namespaced = '/api/v1/namespaces/default';

  let server: TestServer;

  before(async () => {
    server = await createTestServer();
  });
  after(() => server[Symbol.asyncDispose]());

  test('a key that objects inherit is a key like others', async () => {
    const stringData = JSON.parse('{"__proto__":"y"}');
    const secret = await server.ask('POST', `${namespaced}/secrets`, { metadata: { name: 's' }, stringData });
    assert.equal(JSON.stringify(secret.object.data), '{"__proto__":"eQ=="}');

    const fixed = (data: object) => ({ ...configMap('fixed'), data, immutable: true });
    await server.ask('POST', configMaps, fixed({ a: '1', constructor: 'x' }));
    assert.equal((await server.ask('PUT', `${configMaps}/fixed`, fixed({ a: '1' }))).status, 422);
  });

  test('inherited properties are no fields to select by', async () => {
    const { status } = await server.ask('GET', `${configMaps}?fieldSelector=constructor%21%3Dx`);
    assert.equal(status, 400);
  });

  test('a definition whose fields and paths are called like what objects inherit changes no other object', async () => {
    const schema = JSON.parse(
      '{"type":"object","properties":{"spec":{"type":"object","properties":{"__proto__":{"type":"object","properties":{"polluted":{"type":"string","default":"yes"}}}}}}}',
    );
    const definition = {
      metadata: { name: 'odds.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Cluster',
        names: { plural: 'odds', singular: 'odd', kind: 'Odd', listKind: 'OddList' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: schema },
            subresources: {
              status: {},
              scale: { specReplicasPath: '.spec.constructor.scaled', statusReplicasPath: '.status.replicas' },
            },
          },
        ],
      },
    };
    const made = await server.ask(
      'POST',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      definition,
    );
    assert.equal(made.status, 201, made.object.message);
    const odds = '/apis/example.com/v1/odds';
    await server.clock.advanceUntil(async () => (await server.ask('GET', odds)).status === 200);
    const odd = { apiVersion: 'example.com/v1', kind: 'Odd', metadata: { name: 'o' }, spec: {} };
    assert.equal((await server.ask('POST', odds, odd)).status, 201);
    const scale = {
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      metadata: { name: 'o' },
      spec: { replicas: 7 },
    };
    await server.ask('PUT', `${odds}/o/scale`, scale);
    assert.equal('polluted' in {}, false);
    assert.equal('scaled' in Object, false);
  });
});

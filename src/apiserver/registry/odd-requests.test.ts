import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { configMap, configMaps, createTestServer, type TestServer } from '../server.fixture.ts';

let server: TestServer;

before(async () => {
  server = await createTestServer();
});
after(() => server[Symbol.asyncDispose]());

test('a namespace that is being deleted stays until it is empty, however often it is deleted', async () => {
  const url = '/api/v1/namespaces/going';
  await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'going' } });
  for (let round = 0; round < 3; round++) {
    const { status, object } = await server.ask('DELETE', url);
    assert.deepEqual([status, object.kind, object.status.phase], [200, 'Namespace', 'Terminating']);
  }
  const finalized = { metadata: { name: 'going' }, spec: {} };
  assert.equal((await server.ask('PUT', `${url}/finalize`, finalized)).status, 200);
  assert.equal((await server.ask('GET', url)).status, 404);
});

test("a namespace's phase follows its deletion alone", async () => {
  await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'phase' } });
  const body = { metadata: { name: 'phase' }, status: { phase: 'Terminating' } };
  const { object } = await server.ask('PUT', '/api/v1/namespaces/phase/status', body);
  assert.equal(
    object.message,
    'Namespace "phase" is invalid: status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
  );
});

test('an autoscaler with an empty list of policies is refused, and one without the list has the default ones', async () => {
  const url = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
  const autoscaler = (scaleDown: object) => ({
    metadata: { name: 'a' },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 2, behavior: { scaleDown } },
  });
  const refused = await server.ask('POST', url, autoscaler({ policies: [] }));
  assert.equal(
    refused.object.message,
    'HorizontalPodAutoscaler.autoscaling "a" is invalid: spec.behavior.scaleDown.policies: Required value: must specify at least one Policy',
  );
  const { object } = await server.ask('POST', url, autoscaler({}));
  const percent = { type: 'Percent', value: 100, periodSeconds: 15 };
  assert.deepEqual(object.spec.behavior.scaleDown.policies, [percent]);
});

test('what has no namespace loses the one that a client gave it', async () => {
  const made = await server.ask('POST', '/api/v1/nodes', { metadata: { name: 'n', namespace: 'x' } });
  assert.deepEqual([made.status, made.object.metadata.namespace], [201, undefined]);
});

test('a get of one object does not watch it', async () => {
  await server.ask('POST', configMaps, configMap('one'));
  assert.equal((await server.ask('GET', `${configMaps}/one?watch=1`)).object.metadata.name, 'one');
});

test('a list refuses a timeout that is no number', async () => {
  const { status, object } = await server.ask('GET', `${configMaps}?timeoutSeconds=x`);
  assert.deepEqual([status, object.message], [400, 'strconv.ParseInt: parsing "x": invalid syntax']);
});

test('the root names the paths that lead somewhere', async () => {
  const { object } = await server.ask('GET', '/');
  for (const path of ['/api', '/api/v1', '/apis/apps/v1', '/healthz', '/version', '/openapi/v2'])
    assert.ok(object.paths.includes(path), path);
});

test('unknown groups and wrong methods', async () => {
  assert.equal((await server.ask('GET', '/apis/bogus')).object, '404 page not found\n');
  assert.equal((await server.ask('GET', '/apis/bogus/v1')).object, '404 page not found\n');
  assert.equal((await server.ask('GET', '/apis/apps/v9')).object.reason, 'NotFound');
  assert.equal((await server.ask('POST', '/api')).status, 405);
});

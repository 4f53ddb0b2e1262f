import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch, type TestServer } from '../../server.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';
const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const admission = '/apis/admissionregistration.k8s.io/v1';

async function podServer(phase = 'Running', isReady = true): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const spec = { nodeName: 'n', containers: [{ name: 'c', image: 'i' }] };
  await server.ask('POST', pods, { metadata: { name: 'p', labels: { app: 'a' } }, spec });
  const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
  const changed = await server.ask(
    'PATCH',
    `${pods}/p/status`,
    { status: { phase, conditions } },
    mergePatch,
  );
  assert.equal(changed.status, 200, changed.object.message);
  return server;
}

async function addBudget(server: TestServer, name: string, status: object): Promise<void> {
  const spec = { minAvailable: 1, selector: { matchLabels: { app: 'a' } } };
  await server.ask('POST', budgets, { metadata: { name }, spec });
  const whole = { observedGeneration: 1, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1, ...status };
  const { object } = await server.ask('PATCH', `${budgets}/${name}/status`, { status: whole }, mergePatch);
  assert.equal(object.status?.observedGeneration, 1, object.message);
}

const evict = (server: TestServer, more: object = {}) =>
  server.ask('POST', `${pods}/p/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'p' },
    ...more,
  });

test('admission sees the eviction, and not the delete that follows from it', async () => {
  await using server = await podServer();
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['pods'] };
  const spec = { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: 'false' }] };
  await server.ask('POST', `${admission}/validatingadmissionpolicies`, { metadata: { name: 'stay' }, spec });
  await server.ask('POST', `${admission}/validatingadmissionpolicybindings`, {
    metadata: { name: 'stay' },
    spec: { policyName: 'stay', validationActions: ['Deny'] },
  });
  assert.equal((await server.ask('DELETE', `${pods}/p`)).status, 422);
  assert.equal((await evict(server)).status, 201);
  assert.ok((await server.ask('GET', `${pods}/p`)).object.metadata.deletionTimestamp);
});

test('a budget that allows nothing refuses at once, and leaves it to the client when to ask again', async () => {
  await using server = await podServer();
  await addBudget(server, 'b', { disruptionsAllowed: 0 });
  const { status, object } = await evict(server);
  assert.equal(status, 429);
  assert.deepEqual(object.details, {
    causes: [
      {
        reason: 'DisruptionBudget',
        message: 'The disruption budget b needs 1 healthy pods and has 1 currently',
      },
    ],
  });
});

test('a budget that does not know its pods says why it allows nothing, and no numbers', async () => {
  const lastTransitionTime = '2026-01-01T00:00:00Z';
  const condition = (reason: string, message: string) => ({
    disruptionsAllowed: 0,
    currentHealthy: 2,
    conditions: [{ type: 'DisruptionAllowed', status: 'False', reason, message, lastTransitionTime }],
  });
  const why = 'The disruption budget b does not allow evicting pods currently';
  for (const [status, cause] of [
    [condition('SyncFailed', 'no scale'), `${why} because it failed sync: no scale`],
    [condition('InsufficientPods', 'too few'), `${why} (InsufficientPods): too few`],
    [condition('InsufficientPods', ''), why],
  ] as const) {
    await using server = await podServer();
    await addBudget(server, 'b', status);
    assert.equal((await evict(server)).object.details.causes[0].message, cause);
  }
});

test('a budget that was not looked at since it changed asks for patience', async () => {
  await using server = await podServer();
  await addBudget(server, 'b', { disruptionsAllowed: 1 });
  await server.ask('PATCH', `${budgets}/b`, { spec: { minAvailable: 2 } }, mergePatch);
  const { status, object } = await evict(server);
  assert.deepEqual([status, object.details.retryAfterSeconds], [429, 10]);
});

test('the last disruption that a budget allowed is taken, and its condition says so', async () => {
  await using server = await podServer();
  await addBudget(server, 'b', { disruptionsAllowed: 1 });
  assert.equal((await evict(server)).status, 201);
  const { status } = (await server.ask('GET', `${budgets}/b`)).object;
  assert.equal(status.disruptionsAllowed, 0);
  assert.deepEqual(Object.keys(status.disruptedPods), ['p']);
  const [{ type, status: allowed, reason, observedGeneration }] = status.conditions;
  assert.deepEqual(
    [type, allowed, reason, observedGeneration],
    ['DisruptionAllowed', 'False', 'InsufficientPods', 1],
  );
});

test('a pod that is not ready goes without a disruption when enough others are', async () => {
  await using server = await podServer('Running', false);
  await addBudget(server, 'b', { disruptionsAllowed: 0 });
  assert.equal((await evict(server)).status, 201);
  const { status } = (await server.ask('GET', `${budgets}/b`)).object;
  assert.equal(status.disruptedPods, undefined);
});

test('two budgets for one pod, another name, another uid and a past version are refused in the words of Kubernetes', async () => {
  await using server = await podServer();
  const wrongName = await evict(server, { metadata: { name: 'q' } });
  assert.deepEqual(
    [wrongName.status, wrongName.object.message],
    [400, 'name in URL does not match name in Eviction object'],
  );
  for (const preconditions of [{ uid: 'x' }, { resourceVersion: '1' }])
    assert.equal((await evict(server, { deleteOptions: { preconditions } })).status, 409);
  await addBudget(server, 'a', { disruptionsAllowed: 1 });
  await addBudget(server, 'b', { disruptionsAllowed: 1 });
  const { status, object } = await evict(server);
  assert.equal(status, 500);
  assert.match(object.message, /^This pod has more than one PodDisruptionBudget/);
});

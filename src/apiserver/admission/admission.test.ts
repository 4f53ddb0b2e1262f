import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer, mergePatch, type TestServer } from '../server.fixture.ts';

const pods = '/api/v1/namespaces/default/pods';

function pod(name: string, spec: object = {}) {
  return { metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }], ...spec } };
}

async function withAccount(): Promise<TestServer> {
  const server = await createTestServer();
  await server.ask('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  return server;
}

/** Asks as the node `n`. */
async function asNode(server: TestServer, method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) {
  const transport = server.api.localTransport({ name: 'system:node:n', groups: ['system:nodes'] });
  const answer = await transport.send({
    method,
    path,
    ...(body !== undefined && { body }),
    contentType: method === 'PATCH' ? mergePatch : 'application/json',
  });
  return 'object' in answer
    ? (answer.object as { kind: string; message: string })
    : { kind: '', message: '' };
}

test('a namespace that enforces a level refuses pods, and warns of what makes them', async () => {
  await using server = await withAccount();
  const labels = {
    'pod-security.kubernetes.io/enforce': 'baseline',
    'pod-security.kubernetes.io/warn': 'restricted',
  };
  await server.ask('PATCH', '/api/v1/namespaces/default', { metadata: { labels } }, mergePatch);
  const refused = await server.ask('POST', pods, pod('p', { hostNetwork: true }));
  assert.equal(
    refused.object.message,
    'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
  );
  assert.equal((await server.ask('POST', pods, pod('q'))).status, 201);
});

test('a node may change its own pods and itself, and nothing else', async () => {
  await using server = await withAccount();
  for (const name of ['n', 'm']) await server.ask('POST', '/api/v1/nodes', { metadata: { name } });
  await server.ask('POST', pods, pod('mine', { nodeName: 'n' }));
  await server.ask('POST', pods, pod('other', { nodeName: 'm' }));
  const status = { status: { phase: 'Running' } };
  assert.equal((await asNode(server, 'PATCH', `${pods}/mine/status`, status)).kind, 'Pod');
  assert.match(
    (await asNode(server, 'PATCH', `${pods}/other/status`, status)).message,
    /with spec\.nodeName set to itself/,
  );
  assert.match(
    (await asNode(server, 'DELETE', `${pods}/other`)).message,
    /can only delete pods with spec\.nodeName set to itself/,
  );
  const labels = (key: string) => ({ metadata: { labels: { [key]: 'x' } } });
  assert.equal(
    (await asNode(server, 'PATCH', '/api/v1/nodes/n', labels('topology.kubernetes.io/zone'))).kind,
    'Node',
  );
  assert.match(
    (await asNode(server, 'PATCH', '/api/v1/nodes/n', labels('node-restriction.kubernetes.io/y'))).message,
    /is not allowed to modify labels: /,
  );
  assert.match((await asNode(server, 'PATCH', '/api/v1/nodes/m', labels('a'))).message, /m/);
});

test('a pod gets its account, its token, its priority and the tolerations of lost nodes', async () => {
  await using server = await withAccount();
  const { object } = await server.ask('POST', pods, pod('p'));
  const { spec } = object;
  assert.equal(spec.serviceAccountName, 'default');
  assert.match(spec.volumes[0].name, /^kube-api-access-/);
  assert.equal(spec.containers[0].volumeMounts[0].mountPath, '/var/run/secrets/kubernetes.io/serviceaccount');
  assert.equal(spec.priority, 0);
  assert.equal(spec.tolerations.length, 2);
});

test('an eviction takes from the budget until nothing is left', async () => {
  await using server = await withAccount();
  const labels = { app: 'a' };
  for (const name of ['p', 'q']) {
    await server.ask('POST', pods, { ...pod(name, { nodeName: 'n' }), metadata: { name, labels } });
    const ready = { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } };
    await server.ask('PATCH', `${pods}/${name}/status`, ready, mergePatch);
  }
  const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
  await server.ask('POST', budgets, {
    metadata: { name: 'b' },
    spec: { minAvailable: 1, selector: { matchLabels: labels } },
  });
  const status = {
    status: {
      observedGeneration: 1,
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 2,
    },
  };
  await server.ask('PATCH', `${budgets}/b/status`, status, mergePatch);
  const evict = (name: string) => server.ask('POST', `${pods}/${name}/eviction`, { metadata: { name } });
  assert.equal((await evict('p')).status, 201);
  const refused = await evict('q');
  assert.equal(refused.status, 429);
  assert.equal(refused.object.details.causes[0].reason, 'DisruptionBudget');
  // A later attempt helps when the budget is being recalculated, not when it is exhausted.
  assert.equal(refused.object.details.retryAfterSeconds, undefined);
  assert.ok((await server.ask('GET', `${pods}/p`)).object.metadata.deletionTimestamp);
});

test('a pod is bound once, and what it was promised before is forgotten', async () => {
  await using server = await withAccount();
  await server.ask('POST', pods, pod('p'));
  await server.ask('PATCH', `${pods}/p/status`, { status: { nominatedNodeName: 'other' } }, mergePatch);
  assert.equal((await server.ask('GET', `${pods}/p`)).object.status.nominatedNodeName, 'other');
  const binding = { metadata: { name: 'p' }, target: { kind: 'Node', name: 'n' } };
  assert.equal((await server.ask('POST', `${pods}/p/binding`, binding)).status, 201);
  const { object } = await server.ask('GET', `${pods}/p`);
  assert.equal(object.status.nominatedNodeName, undefined);
  const again = await server.ask('POST', `${pods}/p/binding`, binding);
  assert.match(again.object.message, /pod p is already assigned to node "n"/);
});

test('a running pod may be resized to what its node and the namespace allow', async () => {
  await using server = await withAccount();
  const allocatable = { cpu: '2', memory: '2Gi' };
  await server.ask('POST', '/api/v1/nodes', { metadata: { name: 'n' } });
  await server.ask(
    'PATCH',
    '/api/v1/nodes/n/status',
    { status: { capacity: allocatable, allocatable } },
    mergePatch,
  );
  const sized = (cpu: string) => ({
    containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }],
  });
  await server.ask('POST', pods, pod('p', { nodeName: 'n', ...sized('1') }));
  const resize = (cpu: string) =>
    server.ask('PATCH', `${pods}/p/resize`, { spec: sized(cpu) }, 'application/strategic-merge-patch+json');
  const tooMuch = await resize('3');
  assert.equal(tooMuch.status, 403);
  assert.equal(
    tooMuch.object.message,
    'pods "p" is forbidden: node didn\'t have enough allocatable resources: cpu, requested: 3000, allocatable: 2000',
  );
  assert.deepEqual(tooMuch.object.details.causes, [{ reason: 'NodeCapacity' }]);
  assert.equal((await resize('1500m')).object.metadata.generation, 2);
  await server.ask('POST', '/api/v1/namespaces/default/limitranges', {
    metadata: { name: 'l' },
    spec: { limits: [{ type: 'Container', min: { cpu: '500m' } }] },
  });
  const tooLittle = await resize('100m');
  assert.equal(
    tooLittle.object.message,
    'pods "p" is forbidden: minimum cpu usage per Container is 500m, but request is 100m',
  );
});

test('through a subresource a pod changes in nothing else', async () => {
  await using server = await withAccount();
  await server.ask(
    'POST',
    pods,
    pod('p', { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] }),
  );
  const current = (await server.ask('GET', `${pods}/p`)).object;
  const { status } = await server.ask('PUT', `${pods}/p/resize`, {
    ...current,
    metadata: { ...current.metadata, labels: { a: 'b' } },
    spec: {
      ...current.spec,
      containers: [{ name: 'c', image: 'other', resources: { requests: { cpu: '2' } } }],
    },
  });
  assert.equal(status, 200);
  const after = (await server.ask('GET', `${pods}/p`)).object;
  assert.equal(after.spec.containers[0].image, 'i');
  assert.equal(after.spec.containers[0].resources.requests.cpu, '2');
  assert.equal(after.metadata.labels, undefined);
});

test('a status without observedGeneration keeps what was observed', async () => {
  await using server = await withAccount();
  await server.ask('POST', pods, pod('p'));
  const ready = { type: 'Ready', status: 'True' };
  const observed = { observedGeneration: 1, conditions: [{ ...ready, observedGeneration: 1 }] };
  await server.ask('PATCH', `${pods}/p/status`, { status: observed }, mergePatch);
  const current = (await server.ask('GET', `${pods}/p`)).object;
  const answer = await server.ask('PUT', `${pods}/p/status`, { ...current, status: { conditions: [ready] } });
  assert.equal(answer.object.status.observedGeneration, 1);
  assert.equal(answer.object.status.conditions[0].observedGeneration, 1);
});

test('a pod waits at least a second for its end, a template says what it likes', async () => {
  await using server = await withAccount();
  const made = await server.ask('POST', pods, pod('p', { terminationGracePeriodSeconds: -1 }));
  assert.equal(made.object.spec.terminationGracePeriodSeconds, 1);
  const { object } = await server.ask('GET', `${pods}/p`);
  const negative = { ...object, spec: { ...object.spec, terminationGracePeriodSeconds: -5 } };
  assert.equal((await server.ask('PUT', `${pods}/p`, negative)).object.spec.terminationGracePeriodSeconds, 1);
  const template = { metadata: { name: 't' }, template: pod('', { terminationGracePeriodSeconds: -1 }) };
  const kept = await server.ask('POST', '/api/v1/namespaces/default/podtemplates', template);
  assert.equal(kept.object.template.spec.terminationGracePeriodSeconds, -1);
});

test('devices that others use are given for administration only where the namespace says so', async () => {
  await using server = await createTestServer();
  const claims = '/apis/resource.k8s.io/v1/namespaces/default/resourceclaims';
  const claim = {
    metadata: { name: 'a' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c', adminAccess: true } }] } },
  };
  const refused = await server.ask('POST', claims, claim);
  assert.equal(
    refused.object.message,
    'ResourceClaim.resource.k8s.io "a" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
  );
  const labels = { 'resource.kubernetes.io/admin-access': 'true' };
  await server.ask('PATCH', '/api/v1/namespaces/default', { metadata: { labels } }, mergePatch);
  assert.equal((await server.ask('POST', claims, claim)).status, 201);
});

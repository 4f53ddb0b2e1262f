import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createListeningServer } from '../http/listener.fixture.ts';
import { applyPatchType, createTestServer, jsonPatch, type TestServer } from '../server.fixture.ts';

const deployments = '/apis/apps/v1/namespaces/default/deployments';
const scalePath = `${deployments}/web/scale`;

function deployment(replicas?: number) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      ...(replicas !== undefined && { replicas }),
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
}

function scale(replicas: number) {
  return { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web' }, spec: { replicas } };
}

const apply = (server: TestServer, path: string, body: unknown, query: string) =>
  server.ask('PATCH', `${path}?${query}`, body, applyPatchType);

interface Owner {
  manager: string;
  operation: string;
  apiVersion: string;
  subresource?: string;
  fieldsV1: { 'f:spec'?: { 'f:replicas'?: object; 'f:template'?: object } };
}

async function ownersOfReplicas(server: TestServer) {
  const { object } = await server.ask('GET', `${deployments}/web`);
  return (object.metadata.managedFields as Owner[])
    .filter(({ fieldsV1 }) => fieldsV1['f:spec']?.['f:replicas'])
    .map(({ manager, operation, apiVersion, subresource = '' }) =>
      [manager, operation, apiVersion, subresource].join(' '),
    );
}

test('a scale is applied: conflicts name the owner of the number, and force takes it over', async () => {
  await using server = await createTestServer();
  assert.equal((await apply(server, `${deployments}/web`, deployment(2), 'fieldManager=chart')).status, 201);
  const refused = await apply(server, scalePath, scale(5), 'fieldManager=scaler');
  assert.equal(refused.status, 409);
  assert.equal(refused.object.message, 'Apply failed with 1 conflict: conflict with "chart": .spec.replicas');

  const forced = await apply(server, scalePath, scale(5), 'fieldManager=scaler&force=true');
  assert.deepEqual([forced.status, forced.object.spec.replicas], [200, 5]);
  assert.equal(forced.object.metadata.managedFields, undefined, 'the object keeps them');
  assert.deepEqual(await ownersOfReplicas(server), ['scaler Apply apps/v1 scale']);

  const again = await apply(server, scalePath, scale(5), 'fieldManager=scaler');
  assert.equal(again.object.metadata.resourceVersion, forced.object.metadata.resourceVersion);
  const whole = await apply(server, `${deployments}/web`, deployment(), 'fieldManager=chart');
  assert.deepEqual([whole.status, whole.object.spec.replicas], [200, 5], 'the chart gave the number up');
});

test('of an object that is not there, its scale is not found under its own name', async () => {
  await using server = await createTestServer();
  const { status, object } = await server.ask('GET', scalePath);
  assert.deepEqual([status, object.message], [404, 'deployments.apps "web" not found']);
  assert.deepEqual(object.details, { name: 'web', group: 'apps', kind: 'deployments' });
});

test('a number that was written by an update is conflicted with in the words of the scale', async () => {
  await using server = await createTestServer();
  await server.ask('POST', `${deployments}?fieldManager=kubectl-create`, deployment(2));
  const refused = await apply(server, scalePath, scale(3), 'fieldManager=scaler');
  assert.equal(
    refused.object.message,
    'Apply failed with 1 conflict: conflict with "kubectl-create" using autoscaling/v1: .spec.replicas',
  );
  assert.equal((await apply(server, scalePath, scale(2), 'fieldManager=scaler')).status, 200);
  assert.deepEqual(await ownersOfReplicas(server), [
    'scaler Apply apps/v1 scale',
    'kubectl-create Update apps/v1 ',
  ]);
});

test('an apply to a scale that is not there, or is no scale, changes nothing', async () => {
  await using server = await createTestServer();
  assert.equal((await apply(server, scalePath, scale(1), 'fieldManager=m')).status, 404);
  await server.ask('POST', deployments, deployment(2));
  for (const [body, query, code, text] of [
    [scale(1), '', 422, /fieldManager: Required value: is required for apply patch/],
    [
      { ...scale(1), kind: 'Deployment' },
      'fieldManager=m',
      400,
      /invalid object type: autoscaling\/v1, Kind=Deployment/,
    ],
    [
      { ...scale(1), metadata: { name: 'other' } },
      'fieldManager=m&force=true',
      400,
      /does not match the name on the URL/,
    ],
    [scale(-1), 'fieldManager=m&force=true', 422, /spec.replicas: Invalid value: -1/],
  ] as const) {
    const answer = await apply(server, scalePath, body, query);
    assert.equal(answer.status, code);
    assert.match(answer.object.message, text);
  }
  assert.equal((await server.ask('GET', scalePath)).object.spec.replicas, 2);
});

test('policies see the scale, not the object that bears it, and may change it', async () => {
  await using server = await createTestServer();
  const group = '/apis/admissionregistration.k8s.io/v1';
  const matchConstraints = {
    resourceRules: [
      { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments/scale'] },
    ],
  };
  const policy = (kind: string, spec: object) =>
    server.ask('POST', `${group}/${kind}`, { metadata: { name: 'p' }, spec: { matchConstraints, ...spec } });
  const sees = 'request.kind.kind == "Scale" && object.kind == "Scale" && oldObject.spec.replicas == 2';
  const made = [
    await policy('mutatingadmissionpolicies', {
      matchConditions: [{ name: 'odd', expression: 'object.spec.replicas == 7' }],
      reinvocationPolicy: 'Never',
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 6}}' },
        },
      ],
    }),
    await policy('validatingadmissionpolicies', {
      validations: [{ expression: `${sees} && object.spec.replicas < 10`, message: 'too many' }],
    }),
    await server.ask('POST', `${group}/mutatingadmissionpolicybindings`, {
      metadata: { name: 'p' },
      spec: { policyName: 'p' },
    }),
    await server.ask('POST', `${group}/validatingadmissionpolicybindings`, {
      metadata: { name: 'p' },
      spec: { policyName: 'p', validationActions: ['Deny'] },
    }),
  ];
  for (const { status, object } of made) assert.equal(status, 201, object.message);
  await server.ask('POST', deployments, deployment(2));
  const patch = (replicas: number) =>
    server.ask('PATCH', scalePath, [{ op: 'replace', path: '/spec/replicas', value: replicas }], jsonPatch);
  const refused = await patch(10);
  assert.equal(refused.status, 422);
  assert.match(refused.object.message, /denied request: too many/);
  assert.equal((await patch(7)).object.spec.replicas, 6);
  assert.equal((await server.ask('GET', `${deployments}/web`)).object.spec.replicas, 6);
});

test('the scale of a custom resource touches what its definition names, and nothing else', async () => {
  await using server = await createTestServer();
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } } },
    subresources: {
      scale: { specReplicasPath: '.spec.__proto__.replicas', statusReplicasPath: '.status.replicas' },
    },
  };
  const names = { plural: 'odds', kind: 'Odd' };
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'odds.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
  });
  const path = '/apis/example.com/v1/namespaces/default/odds';
  const object = {
    apiVersion: 'example.com/v1',
    kind: 'Odd',
    metadata: { name: 'web' },
    spec: { selector: { matchExpressions: 'x' } },
    status: { replicas: { toString: 'x' } },
  };
  assert.equal((await server.ask('POST', path, object)).status, 422, 'a status that is no number');
  assert.equal((await server.ask('POST', path, { ...object, status: {} })).status, 201);
  const read = await server.ask('GET', `${path}/web/scale`);
  assert.equal(
    read.object.message,
    'Internal error occurred: the spec replicas field ".spec.__proto__.replicas" does not exist',
  );
  const written = await server.ask('PUT', `${path}/web/scale`, scale(7));
  assert.equal(({} as { replicas?: number }).replicas, undefined);
  assert.equal(written.object.spec?.replicas, 7);
});

test('the scale of a custom resource is judged where its definition says, in the words of upstream', async () => {
  await using server = await createTestServer();
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const paths = {
    specReplicasPath: '.spec.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  };
  const version = { name: 'v1', served: true, storage: true, schema, subresources: { scale: paths } };
  const names = { plural: 'odds', kind: 'Odd' };
  await server.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'odds.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
  });
  const path = '/apis/example.com/v1/namespaces/default/odds';
  const create = (rest: object) =>
    server.ask('POST', path, {
      apiVersion: 'example.com/v1',
      kind: 'Odd',
      metadata: { name: 'web' },
      ...rest,
    });
  for (const [rest, problem] of [
    [
      { spec: 'x' },
      '.spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected map[string]interface{}',
    ],
    [
      { spec: { replicas: 'many' } },
      '.spec.replicas: Invalid value: 0: .spec.replicas accessor error: many is of the type string, expected int64',
    ],
    [
      { spec: { replicas: 2147483648 } },
      '.spec.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647',
    ],
    [
      { status: { selector: { a: 1 } } },
      '.status.selector: Invalid value: "": .status.selector accessor error: map[a:1] is of the type map[string]interface {}, expected string',
    ],
  ] as const)
    assert.equal((await create(rest)).object.message, `Odd.example.com "web" is invalid: ${problem}`);
  await server.ask('POST', path, {
    apiVersion: 'example.com/v1',
    kind: 'Odd',
    metadata: { name: 'less' },
    spec: { replicas: 1 },
  });
  const { object: refused } = await server.ask('PUT', `${path}/less/scale`, {
    ...scale(-1),
    metadata: { name: 'less' },
  });
  assert.match(
    refused.message,
    /^Odd\.example\.com "less" is invalid: \.spec\.replicas: Invalid value: -1: should be a non-negative integer/,
  );
  assert.equal((await create({ spec: null })).status, 201);
  const written = await server.ask('PUT', `${path}/web/scale`, scale(7));
  assert.deepEqual(
    [written.status, written.object.message],
    [500, 'value cannot be set because .spec is not a map[string]interface{}'],
  );
});

test('a scale is of the object that its path names', async () => {
  await using server = await createTestServer();
  const { object: made } = await server.ask('POST', deployments, deployment(2));
  const { uid } = made.metadata;
  const put = (metadata: object) => server.ask('PUT', scalePath, { ...scale(3), metadata });
  const patch = (metadata: object) =>
    server.ask('PATCH', scalePath, { metadata, spec: { replicas: 3 } }, 'application/merge-patch+json');
  for (const [answer, code, text] of [
    [await put({}), 400, /\(web based on URL\) was undeterminable: name must be provided/],
    [await put({ name: 'web', namespace: 'other' }), 400, /namespace of the provided object does not match/],
    [
      await patch({ name: 'other' }),
      400,
      /the name of the object \(other\) does not match the name on the URL \(web\)/,
    ],
    [
      await patch({ uid: 'x' }),
      409,
      new RegExp(
        `deployments/scale.apps "web": Precondition failed: UID in precondition: x, UID in object meta: ${uid}`,
      ),
    ],
  ] as const) {
    assert.equal(answer.status, code, JSON.stringify(answer.object));
    assert.match(answer.object.message, text);
  }
  assert.equal((await server.ask('GET', scalePath)).object.spec.replicas, 2);
});

test('fields that a scale does not have are warned of', async () => {
  await using listening = await createListeningServer();
  await listening.server.ask('POST', deployments, deployment(1));
  const send = await listening.as('admin', ['system:masters']);
  const type = { 'content-type': 'application/merge-patch+json' };
  const patch = JSON.stringify({ spec: { replicas: 2, size: 3 } });
  const { status, headers } = await send('PATCH', scalePath, type, patch);
  assert.equal(status, 200);
  assert.equal(headers.warning, '299 - "unknown field \\"spec.size\\""');
});

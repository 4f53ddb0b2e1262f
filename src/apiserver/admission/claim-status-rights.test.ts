import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../server.fixture.ts';

const group = 'rbac.authorization.k8s.io';
const claims = '/apis/resource.k8s.io/v1/namespaces/default/resourceclaims';
const account = 'system:serviceaccount:default:driver';
const nodeSelector = (...values: string[]) => ({
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values }] }],
});

/** A claim with a device on `n`, and an account that may write its status and has these rights besides. */
async function claimWith(rules: object[], { node = 'n' } = {}) {
  const server = await createTestServer();
  await server.ask('POST', claims, {
    metadata: { name: 'c' },
    spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'x' } }] } },
  });
  const results = [{ request: 'r', driver: 'd.example', pool: 'p', device: 'd0' }];
  const allocation = { devices: { results }, nodeSelector: nodeSelector('n') };
  const { object } = await server.ask('GET', `${claims}/c`);
  await server.ask('PUT', `${claims}/c/status`, { ...object, status: { allocation } });
  const basic = {
    apiGroups: ['resource.k8s.io'],
    resources: ['resourceclaims', 'resourceclaims/status'],
    verbs: ['get', 'update', 'patch'],
  };
  await server.ask('POST', `/apis/${group}/v1/clusterroles`, {
    metadata: { name: 'driver' },
    rules: [basic, ...rules],
  });
  await server.ask('POST', `/apis/${group}/v1/clusterrolebindings`, {
    metadata: { name: 'driver' },
    roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'driver' },
    subjects: [{ kind: 'ServiceAccount', name: 'driver', namespace: 'default' }],
  });
  const transport = server.api.localTransport({
    name: account,
    groups: ['system:serviceaccounts', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/node-name': [node] },
  });
  /** `ok`, or why not. */
  const write = async (change: object) => {
    const current = (await server.ask('GET', `${claims}/c`)).object;
    const body = { ...current, status: { ...current.status, ...change } };
    const answer = await transport.send({ method: 'PUT', path: `${claims}/c/status`, body });
    if ('events' in answer) throw new Error('a watch has no single answer');
    return answer.status === 200 ? 'ok' : (answer.object as { message: string }).message;
  };
  const patch = async (status: object) => {
    const path = `${claims}/c/status`;
    const contentType = 'application/merge-patch+json';
    return (await transport.send({ method: 'PATCH', path, body: { status }, contentType })).status;
  };
  return { server, write, patch };
}

const allow = (verbs: string[], subresource: string, resourceNames?: string[]) => ({
  apiGroups: ['resource.k8s.io'],
  resources: [`resourceclaims/${subresource}`],
  verbs,
  ...(resourceNames && { resourceNames }),
});
const devices = [{ driver: 'd.example', pool: 'p', device: 'd0', data: { a: 1 } }];
const reservedFor = [{ resource: 'pods', name: 'p', uid: 'u' }];
const invalid = 'ResourceClaim.resource.k8s.io "c" is invalid: ';

test('the right to write the status of a claim does not include allocating it', async () => {
  const { server, write } = await claimWith([]);
  await using _ = server;
  assert.equal(
    await write({ reservedFor }),
    `${invalid}status.allocation: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: resourceclaims.resource.k8s.io is forbidden: User "${account}" cannot update resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope`,
  );
  const binder = await claimWith([allow(['update'], 'binding')]);
  await using __ = binder.server;
  assert.equal(await binder.patch({ reservedFor }), 422);
  assert.equal(await binder.write({ reservedFor }), 'ok');
  const patcher = await claimWith([allow(['patch'], 'binding')]);
  await using ___ = patcher.server;
  assert.equal(await patcher.patch({ reservedFor }), 200);
});

test('a driver reports its own devices, on its own node or on any', async () => {
  const rights: [what: string, rules: object[], node: string, isAllowed: boolean][] = [
    ['none', [], 'n', false],
    ['on its node', [allow(['associated-node:update'], 'driver', ['d.example'])], 'n', true],
    ['on another node', [allow(['associated-node:update'], 'driver', ['d.example'])], 'm', false],
    ['on any node', [allow(['arbitrary-node:update'], 'driver', ['d.example'])], 'm', true],
    ['as another driver', [allow(['arbitrary-node:update'], 'driver', ['e.example'])], 'n', false],
  ];
  for (const [what, rules, node, isAllowed] of rights) {
    const { server, write } = await claimWith(rules, { node });
    await using _ = server;
    assert.equal((await write({ devices })) === 'ok', isAllowed, what);
  }
  const { server, write } = await claimWith([]);
  await using _ = server;
  assert.equal(
    await write({ devices }),
    `${invalid}status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[associated-node:update arbitrary-node:update]" permission: resourceclaims.resource.k8s.io "d.example" is forbidden: User "${account}" cannot associated-node:update resource "resourceclaims/driver" in API group "resource.k8s.io" in the namespace "default"`,
  );
  assert.equal(await write({}), 'ok', 'nothing changes');
});

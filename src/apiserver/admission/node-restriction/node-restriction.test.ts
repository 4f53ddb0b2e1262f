import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenKeyPair } from '../../../base/x509/pki.ts';
import { createTestServer } from '../../server.fixture.ts';

const namespace = 'default';
const pods = `/api/v1/namespaces/${namespace}/pods`;
const containers = [{ name: 'c', image: 'i' }];
const mirror = { 'kubernetes.io/config.mirror': 'x' };

async function serverWithNodes() {
  const server = await createTestServer({ security: { serviceAccountKeys: await createTokenKeyPair() } });
  const node = server.api.localTransport({
    name: 'system:node:n1',
    groups: ['system:nodes', 'system:authenticated'],
  });
  const asNode = async (method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown) => {
    const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const answer = await node.send({ method, path, ...(body !== undefined && { body, contentType }) });
    if ('events' in answer) throw new Error('no watch');
    const { message = '' } = answer.object as { message?: string };
    return `${answer.status} ${message}`.trim();
  };
  await server.ask('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  await server.ask('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    metadata: { name: 'default' },
  });
  const uids = new Map<string, string>();
  for (const name of ['n1', 'n2']) {
    const { object } = await server.ask('POST', '/api/v1/nodes', { metadata: { name } });
    uids.set(name, object.metadata.uid);
  }
  return { server, asNode, uids };
}

test('a mirror pod is its node’s own, and refers to nothing of the API', async () => {
  const { server, asNode, uids } = await serverWithNodes();
  await using _ = server;
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: uids.get('n1'), controller: true };
  const owned = { annotations: mirror, ownerReferences: [owner] };
  const rows: [metadata: object, spec: object, answer: RegExp][] = [
    [{}, {}, /^403 .* can only create mirror pods$/],
    [owned, { nodeName: 'n2' }, /^403 .*with spec.nodeName set to itself$/],
    [{ annotations: mirror }, {}, /^403 .*with an owner reference set to itself$/],
    [{ ...owned, ownerReferences: [{ ...owner, name: 'n2' }] }, {}, /an owner reference set to itself$/],
    [{ ...owned, ownerReferences: [{ ...owner, uid: 'z' }] }, {}, /node n1 UID mismatch: expected z got /],
    [{ ...owned, ownerReferences: [{ ...owner, controller: false }] }, {}, /a controller owner reference/],
    [owned, { volumes: [{ name: 'v', configMap: { name: 'a' } }] }, /reference configmaps$/],
    [
      owned,
      { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'a' } }] },
      /persistentvolumeclaims$/,
    ],
    [owned, {}, /^201$/],
  ];
  for (const [metadata, spec, answer] of rows) {
    const pod = { metadata: { name: 'm', ...metadata }, spec: { nodeName: 'n1', containers, ...spec } };
    assert.match(await asNode('POST', pods, pod), answer);
  }
});

test('a node evicts its own pods, and asks for tokens that are bound to them', async () => {
  const { server, asNode } = await serverWithNodes();
  await using _ = server;
  const uids = new Map<string, string>();
  for (const [name, nodeName] of [
    ['p1', 'n1'],
    ['p2', 'n2'],
  ] as const) {
    const { object } = await server.ask('POST', pods, { metadata: { name }, spec: { nodeName, containers } });
    uids.set(name, object.metadata.uid);
  }
  const tokens = `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`;
  const boundTo = (name: string, more: object = {}) => ({
    spec: { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid: uids.get(name) }, ...more },
  });
  assert.match(await asNode('POST', tokens, { spec: {} }), /^403 .*node requested token not bound to a pod$/);
  assert.match(await asNode('POST', tokens, boundTo('p2')), /bound to a pod scheduled on a different node$/);
  assert.match(
    await asNode('POST', tokens, boundTo('p1', { audiences: ['vault'] })),
    /audience "vault" not found in pod spec volume, system:node:n1 is not authorized/,
  );
  assert.equal(await asNode('POST', tokens, boundTo('p1')), '201');
  const eviction = (name: string) => ({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } });
  assert.match(
    await asNode('POST', `${pods}/p2/eviction`, eviction('p2')),
    /^403 .*node n1 can only evict pods with spec.nodeName set to itself$/,
  );
  assert.equal(await asNode('POST', `${pods}/p1/eviction`, eviction('p1')), '201');
});

test('a node writes only its own Node, slices and leases', async () => {
  const { server, asNode } = await serverWithNodes();
  await using _ = server;
  const label = (name: string) => ({ metadata: { labels: { [name]: 'x' } } });
  assert.equal(await asNode('PATCH', '/api/v1/nodes/n1', label('example.com/a')), '200');
  assert.match(
    await asNode('PATCH', '/api/v1/nodes/n1', label('node-restriction.kubernetes.io/a')),
    /^403 .*is not allowed to modify labels: node-restriction.kubernetes.io\/a$/,
  );
  assert.match(
    await asNode('PATCH', '/api/v1/nodes/n2', label('a')),
    /^403 .*not allowed to modify node "n2"$/,
  );
  const pool = { name: 'p', generation: 1, resourceSliceCount: 1 };
  const slice = (nodeName: string) => ({
    metadata: { name: 's' },
    spec: { nodeName, driver: 'a.example.com', pool, devices: [] },
  });
  assert.match(
    await asNode('POST', '/apis/resource.k8s.io/v1/resourceslices', slice('n2')),
    /^403 .*can only create ResourceSlice with the same NodeName as the requesting node$/,
  );
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
  assert.match(await asNode('POST', leases, { metadata: { name: 'n2' } }), /can only access node lease with/);
});

test('a node gets tokens of the network’s account, which sees every node’s pods; the node does not', async () => {
  const { server, asNode } = await serverWithNodes();
  await using _ = server;
  const tokenOf = (name: string) => `/api/v1/namespaces/kube-system/serviceaccounts/${name}/token`;
  assert.equal(await asNode('POST', tokenOf('wherry-node-network'), { spec: {} }), '201');
  assert.match(await asNode('POST', tokenOf('default'), { spec: {} }), /^403 .*no relationship found/);
  const network = server.api.localTransport({
    name: 'system:serviceaccount:kube-system:wherry-node-network',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  });
  const node = server.api.localTransport({ name: 'system:node:n1', groups: ['system:nodes'] });
  const statuses = async (path: string) => [
    (await network.send({ method: 'GET', path })).status,
    (await node.send({ method: 'GET', path })).status,
  ];
  for (const path of ['/api/v1/pods', '/api/v1/nodes', '/api/v1/namespaces/kube-system/configmaps'])
    assert.deepEqual(await statuses(path), [200, 403], path);
  assert.deepEqual(await statuses('/api/v1/pods?fieldSelector=spec.nodeName%3Dn1'), [200, 200]);
  assert.deepEqual(await statuses('/api/v1/services'), [200, 200]);
  assert.deepEqual(await statuses('/api/v1/secrets'), [403, 403]);
});

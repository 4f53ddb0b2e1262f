import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTestServer } from '../../apiserver/server.fixture.ts';
import { createClient } from '../../client/create-client.ts';
import { removeOldNodeRights } from './old-node-rights.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const inSystem = `${rbac}/namespaces/kube-system`;
const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }];
const rules = [{ apiGroups: [''], resources: ['pods', 'configmaps'], verbs: ['get', 'list', 'watch'] }];

test('nodes lose the rights that older agents had, and keep those of this version', async () => {
  await using server = await createTestServer();
  const make = async (path: string, body: unknown) =>
    assert.equal((await server.ask('POST', path, body)).status, 201, path);
  const bound = (kind: string, name: string) => ({
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
    subjects,
  });
  await make(`${rbac}/clusterroles`, { metadata: { name: 'wherry:node-agent' }, rules });
  await make(`${rbac}/clusterrolebindings`, bound('ClusterRole', 'wherry:node-agent'));
  for (const name of ['wherry:node-agent', 'wherry:node-settings']) {
    await make(`${inSystem}/roles`, { metadata: { name }, rules });
    await make(`${inSystem}/rolebindings`, bound('Role', name));
  }
  await make(`${inSystem}/roles`, { metadata: { name: 'wherry:node-other' }, rules });
  const client = createClient(server.transport);
  await removeOldNodeRights(client);
  const left: string[] = [];
  const kinds = ['clusterroles', 'clusterrolebindings'].map((kind) => `${rbac}/${kind}`);
  for (const path of [...kinds, `${inSystem}/roles`, `${inSystem}/rolebindings`]) {
    const { object } = await server.ask('GET', path);
    for (const { metadata } of object.items) left.push(metadata.name);
  }
  assert.deepEqual(
    left.filter((name) => /^wherry:node-(agent|settings|other)$/.test(name)),
    ['wherry:node-other'],
  );
  await removeOldNodeRights(client);
});

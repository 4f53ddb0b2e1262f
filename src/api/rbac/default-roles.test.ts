import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultClusterRoleBindings, defaultClusterRoles } from './default-roles.ts';

test("each of upstream's controllers has a role, and its account is bound to it", () => {
  const names = defaultClusterRoles.map(({ metadata }) => metadata.name!);
  assert.equal(new Set(names).size, names.length);
  const controllers = names.filter((name) => name.startsWith('system:controller:'));
  assert.equal(controllers.length, 38);
  for (const name of controllers) {
    const binding = defaultClusterRoleBindings.find(({ metadata }) => metadata.name === name);
    const account = { kind: 'ServiceAccount', name: name.slice('system:controller:'.length) };
    assert.deepEqual(binding?.subjects, [{ ...account, namespace: 'kube-system' }]);
  }
});

test('a rule of events is of both groups that events have had', () => {
  const scheduler = defaultClusterRoles.find(({ metadata }) => metadata.name === 'system:kube-scheduler');
  assert.deepEqual(scheduler?.rules?.[0], {
    verbs: ['create', 'patch', 'update'],
    apiGroups: ['', 'events.k8s.io'],
    resources: ['events'],
  });
});

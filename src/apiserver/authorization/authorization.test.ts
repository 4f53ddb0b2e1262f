import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../api/resources.gen.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import type { UserInfo } from '../request.ts';
import { type Attributes, unionAuthorizer, whyNot } from './authorizer.ts';
import { errorText } from './error-text.ts';
import { checkBindingEscalation, checkRoleEscalation } from './escalation.ts';
import { RbacAuthorizer } from './rbac.ts';
import { reviewRules, reviewSelf, reviewSubject } from './reviews.ts';

const bob: UserInfo = { name: 'bob', groups: ['system:authenticated', 'devs'] };

function attributes(
  user: UserInfo,
  verb: string,
  resource: string,
  more: Partial<Attributes> = {},
): Attributes {
  const [plural = '', subresource = ''] = resource.split('/');
  const base = { isResource: true, path: '', group: '', version: 'v1', namespace: 'default', name: '' };
  return { user, verb, resource: plural, subresource, ...base, ...more };
}

function reader(): FakeObjects {
  return new FakeObjects()
    .put(Role, {
      metadata: { namespace: 'default', name: 'reader' },
      rules: [
        { apiGroups: [''], resources: ['configmaps', 'pods/log'], verbs: ['get', 'list'] },
        { apiGroups: [''], resources: ['secrets'], resourceNames: ['mine'], verbs: ['get'] },
        { apiGroups: ['apps'], resources: ['*/scale'], verbs: ['*'] },
      ],
    })
    .put(RoleBinding, {
      metadata: { namespace: 'default', name: 'bob-reads' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [
        { kind: 'User', name: 'bob' },
        { kind: 'ServiceAccount', name: 'robot' },
      ],
    })
    .put(ClusterRole, {
      metadata: { name: 'metrics' },
      rules: [{ nonResourceURLs: ['/metrics', '/healthz/*'], verbs: ['get'] }],
    })
    .put(ClusterRoleBinding, {
      metadata: { name: 'devs-metrics' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'metrics' },
      subjects: [{ kind: 'Group', name: 'devs' }],
    });
}

test('RBAC allows what a bound role says, and nothing else', () => {
  const { authorize } = new RbacAuthorizer(reader());
  const cases: [string, Attributes, boolean][] = [
    ['a verb of the rule', attributes(bob, 'list', 'configmaps'), true],
    ['another verb', attributes(bob, 'delete', 'configmaps'), false],
    ['another namespace', attributes(bob, 'list', 'configmaps', { namespace: 'other' }), false],
    ['another group', attributes(bob, 'list', 'configmaps', { group: 'x.io' }), false],
    ['a subresource by name', attributes(bob, 'get', 'pods/log'), true],
    ['its resource is not meant', attributes(bob, 'get', 'pods'), false],
    ['a subresource of all', attributes(bob, 'update', 'deployments/scale', { group: 'apps' }), true],
    ['a resource name', attributes(bob, 'get', 'secrets', { name: 'mine' }), true],
    ['another resource name', attributes(bob, 'get', 'secrets', { name: 'yours' }), false],
    ['a list is not of one name', attributes(bob, 'list', 'secrets'), false],
    ['a path', attributes(bob, 'get', '', { isResource: false, path: '/metrics' }), true],
    ['a path below a star', attributes(bob, 'get', '', { isResource: false, path: '/healthz/etcd' }), true],
    ['another path', attributes(bob, 'get', '', { isResource: false, path: '/logs' }), false],
    ['somebody else', attributes({ name: 'eve', groups: [] }, 'list', 'configmaps'), false],
    [
      'a service account of the binding’s namespace',
      attributes({ name: 'system:serviceaccount:default:robot', groups: [] }, 'list', 'configmaps'),
      true,
    ],
  ];
  for (const [title, asked, expected] of cases) assert.equal(authorize(asked).allowed, expected, title);
});

test('a changed binding counts at once', () => {
  const objects = reader();
  const { authorize } = new RbacAuthorizer(objects);
  assert.equal(authorize(attributes(bob, 'list', 'configmaps')).allowed, true);
  objects.remove(RoleBinding, 'default', 'bob-reads');
  assert.equal(authorize(attributes(bob, 'list', 'configmaps')).allowed, false);
});

test('the refusal names a bound role that does not exist', async () => {
  const objects = reader();
  objects.remove(ClusterRole, '', 'metrics');
  const asked = attributes(bob, 'get', '', { isResource: false, path: '/metrics', namespace: '' });
  const decision = await unionAuthorizer([new RbacAuthorizer(objects).authorize])(asked);
  const missing = 'clusterrole.rbac.authorization.k8s.io "metrics" not found';
  assert.equal(whyNot(asked, decision), `User "bob" cannot get path "/metrics": RBAC: ${missing}`);
  assert.equal(decision.evaluationError, undefined, 'it is no failure');
});

test('of roles that do not exist, each is named once', () => {
  const objects = reader();
  const rbac = new RbacAuthorizer(objects);
  objects.remove(ClusterRole, '', 'metrics');
  const one = 'clusterrole.rbac.authorization.k8s.io "metrics" not found';
  assert.equal(errorText([one, one]), one);
  assert.equal(errorText([one, 'x', one]), `[${one}, x]`);
  const metadata = { name: '', uid: '', resourceVersion: '', creationTimestamp: '' };
  const review = { apiVersion: '', kind: 'x', metadata, spec: { namespace: 'default' } };
  const known = { rbac: true, everything: false, node: true, incomplete: [] };
  const { incomplete, evaluationError } = reviewRules(rbac, bob, review, known);
  assert.deepEqual([incomplete, evaluationError], [false, one]);
});

test('refusals are worded as upstream words them', () => {
  const refused = { allowed: false };
  const text = (asked: Attributes) => whyNot(asked, refused);
  assert.equal(
    text(attributes(bob, 'create', 'pods/exec')),
    'User "bob" cannot create resource "pods/exec" in API group "" in the namespace "default"',
  );
  assert.equal(
    text(attributes(bob, 'list', 'nodes', { namespace: '' })),
    'User "bob" cannot list resource "nodes" in API group "" at the cluster scope',
  );
});

test('users cannot grant permissions that they do not have', async () => {
  const rbac = new RbacAuthorizer(reader());
  const check = {
    rbac,
    authorize: rbac.authorize,
    user: bob,
    plural: 'roles',
    namespace: 'default',
    name: 'more',
  };
  await checkRoleEscalation(check, {
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
  });
  await assert.rejects(
    checkRoleEscalation(check, {
      rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }],
    }),
    {
      message:
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "bob" (groups=["system:authenticated" "devs"]) is ' +
        'attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    },
  );
  const binding = { ...check, plural: 'rolebindings' };
  await checkBindingEscalation(binding, { kind: 'Role', name: 'reader' });
  await assert.rejects(
    checkBindingEscalation(binding, { kind: 'Role', name: 'absent' }),
    /rolebindings.* "absent" not found/,
  );
  const root: UserInfo = { name: 'root', groups: ['system:masters'] };
  const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
  await checkRoleEscalation({ ...check, user: root }, { rules: everything });
  await assert.rejects(
    checkRoleEscalation(check, { rules: [], isGathering: true }),
    /must have cluster-admin/,
  );
});

test('reviews answer for oneself, for others, and list rules', async () => {
  const rbac = new RbacAuthorizer(reader());
  const authorize = unionAuthorizer([rbac.authorize]);
  const resourceAttributes = { verb: 'list', resource: 'configmaps', namespace: 'default' };
  const metadata = { name: '', uid: '', resourceVersion: '', creationTimestamp: '' };
  const kinds = { apiVersion: 'authorization.k8s.io/v1', kind: 'x', metadata };
  assert.deepEqual(await reviewSelf(authorize, bob, { ...kinds, spec: { resourceAttributes } }), {
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "bob-reads/default" of Role "reader" to User "bob"',
  });
  const asEve = { ...kinds, spec: { user: 'eve', resourceAttributes } };
  assert.deepEqual(await reviewSubject(authorize, asEve), { allowed: false });
  const listed = reviewRules(
    rbac,
    bob,
    { ...kinds, spec: { namespace: 'default' } },
    {
      rbac: true,
      everything: false,
      node: true,
      incomplete: [],
    },
  );
  assert.equal(listed.resourceRules.length, 3);
  assert.deepEqual(listed.nonResourceRules, [
    { verbs: ['get'], nonResourceURLs: ['/metrics', '/healthz/*'] },
  ]);
});

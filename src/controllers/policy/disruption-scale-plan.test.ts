import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OwnerReference } from '../../api/meta.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import {
  cachedScale,
  controllersOf,
  type Lookup,
  scalableName,
  totalScale,
} from './disruption-scale-plan.ts';

const owner = (apiVersion: string, kind: string, name: string, uid = name): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid,
  controller: true,
});
const podOf = (name: string, ...ownerReferences: OwnerReference[]) =>
  sparse<Pod>({ metadata: { name, namespace: 'shop', ownerReferences } });

test('each controller is asked once, and pods without one are named', () => {
  const web = owner('apps/v1', 'ReplicaSet', 'web');
  const db = owner('apps/v1', 'StatefulSet', 'db');
  const { controller: _, ...noController } = web;
  const pods = [podOf('a', web), podOf('b', db), podOf('c', web), podOf('d'), podOf('e', noController)];
  assert.deepEqual(controllersOf(pods), {
    controllers: [
      { reference: web, podName: 'a' },
      { reference: db, podName: 'b' },
    ],
    unmanaged: ['d', 'e'],
  });
});

/** As caches hold them, by resource and key. */
const cached: Record<string, object> = {
  'replicasets shop/plain': { metadata: { uid: 'plain' }, spec: { replicas: 2 } },
  'replicasets shop/web-1': {
    metadata: { uid: 'web-1', ownerReferences: [owner('apps/v1', 'Deployment', 'web')] },
    spec: { replicas: 1 },
  },
  'deployments shop/web': { metadata: { uid: 'web' }, spec: { replicas: 4 } },
  'replicasets shop/lone-1': {
    metadata: { uid: 'lone-1', ownerReferences: [owner('apps/v1', 'Deployment', 'lone')] },
    spec: { replicas: 1 },
  },
  'replicasets shop/rolled': {
    metadata: { uid: 'rolled', ownerReferences: [owner('example.com/v1', 'Rollout', 'rollout')] },
    spec: { replicas: 3 },
  },
  'statefulsets shop/db': { metadata: { uid: 'db' }, spec: {} },
  'replicationcontrollers shop/old': { metadata: { uid: 'old' }, spec: { replicas: 5 } },
};
const lookup: Lookup = ({ plural }, key) => cached[`${plural} ${key}`] as never;
for (const [what, reference, expected] of [
  ['ReplicaSet', owner('apps/v1', 'ReplicaSet', 'plain'), { uid: 'plain', replicas: 2 }],
  [
    'ReplicaSet by its old group',
    owner('extensions/v1beta1', 'ReplicaSet', 'plain'),
    { uid: 'plain', replicas: 2 },
  ],
  ['ReplicaSet of a Deployment', owner('apps/v1', 'ReplicaSet', 'web-1'), { uid: 'web', replicas: 4 }],
  ['ReplicaSet whose Deployment is not known', owner('apps/v1', 'ReplicaSet', 'lone-1'), undefined],
  ['ReplicaSet of another kind', owner('apps/v1', 'ReplicaSet', 'rolled'), { uid: 'rolled', replicas: 3 }],
  ['ReplicaSet made again', owner('apps/v1', 'ReplicaSet', 'plain', 'earlier'), undefined],
  ['StatefulSet that says no number', owner('apps/v1', 'StatefulSet', 'db'), { uid: 'db', replicas: 1 }],
  ['StatefulSet made again', owner('apps/v1', 'StatefulSet', 'db', 'earlier'), undefined],
  ['ReplicationController', owner('v1', 'ReplicationController', 'old'), { uid: 'old', replicas: 5 }],
  ['StatefulSet of another group', owner('example.com/v1', 'StatefulSet', 'db'), undefined],
  ['Job', owner('batch/v1', 'Job', 'job'), undefined],
] as const)
  test(`the size of a ${what}: ${expected ? expected.replicas : 'not in the caches'}`, () =>
    assert.deepEqual(cachedScale('shop', reference, lookup), expected));

const of = (podName: string) => ({ reference: owner('apps/v1', 'ReplicaSet', podName), podName });
for (const [what, scales, expected] of [
  ['none', [], 0],
  [
    'two',
    [
      { uid: 'a', replicas: 2 },
      { uid: 'b', replicas: 3 },
    ],
    5,
  ],
  [
    'two ReplicaSets of one Deployment',
    [
      { uid: 'web', replicas: 4 },
      { uid: 'web', replicas: 4 },
    ],
    4,
  ],
  [
    'one that is not there',
    [{ uid: 'a', replicas: 2 }, undefined],
    { why: 'found no controllers for pod "p1"' },
  ],
  ['one that cannot be scaled', [{ why: 'no scale' }, undefined], { why: 'no scale' }],
] as const)
  test(`the sizes of ${what} come to ${JSON.stringify(expected)}`, () => {
    const found = scales.map((scale, index) => ({ of: of(`p${index}`), scale }));
    assert.deepEqual(totalScale(found), expected);
  });

const served = (apiVersion: string, ...names: string[]) => ({
  kind: 'APIResourceList',
  groupVersion: apiVersion,
  resources: names.map((name) => ({
    name,
    kind: name.endsWith('/scale') ? 'Scale' : 'Widget',
    namespaced: true,
    singularName: '',
    verbs: [],
  })),
});
for (const [what, names, expected] of [
  ['can be scaled', ['widgets/status', 'widgets', 'widgets/scale'], 'widgets'],
  ['cannot be scaled', ['widgets'], 'widgets.x.io does not implement the scale subresource'],
  ['is not served', [], 'no matches for kind "Widget" in version "x.io/v1"'],
] as const)
  test(`a controller of a kind that ${what}: ${expected}`, () => {
    const name = scalableName(served('x.io/v1', ...names), owner('x.io/v1', 'Widget', 'w'));
    assert.deepEqual(name, expected === 'widgets' ? expected : { why: expected });
  });

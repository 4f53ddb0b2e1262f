import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OwnerReference } from '../../../api/meta.ts';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { statefulSet } from '../../objects.fixture.ts';
import { hasClaimName, planClaimOwners, planClaims } from './statefulset-pod.ts';

type Policy = 'Retain' | 'Delete';

function setOf(whenDeleted: Policy, whenScaled: Policy): StatefulSet {
  return sparse<StatefulSet>({
    metadata: { name: 'web', uid: 'set' },
    spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled } },
  });
}

const pod = sparse<Pod>({ metadata: { name: 'web-0', uid: 'pod' } });
const asSet = owner('apps/v1', 'StatefulSet', 'web', 'set');
const asPod = owner('v1', 'Pod', 'web-0', 'pod');
const another = owner('v1', 'ConfigMap', 'dummy', 'other');

function owner(apiVersion: string, kind: string, name: string, uid: string): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

function planned(set: StatefulSet, owners: OwnerReference[], isCondemned = false) {
  const claim = sparse<PersistentVolumeClaim>({ metadata: { name: 'data-web-0', ownerReferences: owners } });
  return planClaimOwners(set, claim, pod, { isCondemned }).owners?.map(({ uid }) => uid);
}

test('a claim is owned by the set, by the pod that is scaled away, or not at all, as the policy says', () => {
  const cases: [Policy, Policy, boolean, string[]][] = [
    ['Retain', 'Retain', false, []],
    ['Retain', 'Retain', true, []],
    ['Delete', 'Retain', false, ['set']],
    ['Delete', 'Retain', true, ['set']],
    ['Retain', 'Delete', false, []],
    ['Retain', 'Delete', true, ['pod']],
    ['Delete', 'Delete', false, ['set']],
    ['Delete', 'Delete', true, ['pod']],
  ];
  for (const [whenDeleted, whenScaled, isCondemned, expected] of cases) {
    const set = setOf(whenDeleted, whenScaled);
    const plain = { ...another, controller: false };
    const before = [asSet, plain, asPod];
    assert.deepEqual(planned(set, before, isCondemned), ['other', ...expected]);
    const after = [plain, asSet, asPod].filter(({ uid }) => uid === 'other' || expected.includes(uid));
    assert.equal(planned(set, after, isCondemned), undefined);
  }
});

test('an owner that is not marked as the controller becomes it', () => {
  const set = setOf('Delete', 'Retain');
  assert.deepEqual(planned(set, [{ ...asSet, controller: false }]), ['set']);
});

test('a claim that another controller has is left to it', () => {
  const set = setOf('Delete', 'Delete');
  for (const isCondemned of [false, true]) {
    assert.equal(planned(set, [another], isCondemned), undefined);
    assert.deepEqual(planned(set, [another, { ...asSet, controller: false }], isCondemned), ['other']);
  }
});

for (const [what, whenScaled, owners, expected] of [
  ['the set', 'Delete', [asSet], false],
  ['no one', 'Delete', [], false],
  ['someone else, not as controller', 'Delete', [{ ...another, controller: false }], false],
  ['another controller', 'Delete', [another], true],
  ['another controller, and is kept anyway', 'Retain', [another], false],
  ['an earlier set', 'Delete', [{ ...asSet, uid: 'earlier' }], true],
  ['an earlier pod, and is kept anyway', 'Retain', [{ ...asPod, uid: 'earlier' }], false],
] as const)
  test(`a claim that belongs to ${what}, is ${expected ? '' : 'not '}contested`, () => {
    const claim = sparse<PersistentVolumeClaim>({
      metadata: { name: 'data-web-0', ownerReferences: [...owners] },
    });
    const plan = planClaimOwners(setOf('Retain', whenScaled), claim, pod, { isCondemned: false });
    assert.equal(plan.isContested, expected);
  });

test('a claim of an earlier set or pod of the same name is not touched', () => {
  const set = setOf('Delete', 'Delete');
  for (const stale of [
    { ...asSet, uid: 'earlier' },
    { ...asSet, uid: 'earlier', apiVersion: 'apps/v1beta2' },
    { ...asPod, uid: 'earlier' },
  ])
    assert.equal(planned(set, [stale], true), undefined);
});

for (const [what, present, pod, create, blockedBy] of [
  ['of which none is there', {}, undefined, ['data-db-1', 'logs-db-1'], undefined],
  ['of which one is there', { 'data-db-1': {} }, undefined, ['logs-db-1'], undefined],
  [
    'of which one is going',
    { 'data-db-1': { deletionTimestamp: 'x' } },
    undefined,
    ['logs-db-1'],
    'data-db-1',
  ],
  [
    'of which one goes with an earlier pod',
    { 'logs-db-1': { owner: 'u0' } },
    undefined,
    ['data-db-1'],
    'logs-db-1',
  ],
  [
    'of which one goes with another pod than the present',
    { 'logs-db-1': { owner: 'u0' } },
    'u1',
    ['data-db-1'],
    'logs-db-1',
  ],
  [
    'of which one goes with the present pod',
    { 'logs-db-1': { owner: 'u1' } },
    'u1',
    ['data-db-1'],
    undefined,
  ],
] as const)
  test(`claims of an ordinal ${what}: ${create.length} to be made${blockedBy ? `, once ${blockedBy} is gone` : ''}`, () => {
    const volumeClaimTemplates = ['data', 'logs'].map((name) => ({ metadata: { name }, spec: {} }));
    const known: Record<string, { deletionTimestamp?: string; owner?: string }> = present;
    const plan = planClaims(
      statefulSet(2, { volumeClaimTemplates }),
      1,
      pod && sparse<Pod>({ metadata: { name: 'db-1', uid: pod } }),
      (key) => {
        const [namespace, name = ''] = key.split('/');
        const one = known[name];
        if (!one || namespace !== 'default') return undefined;
        const { owner, deletionTimestamp } = one;
        const ownerReferences = owner ? [{ apiVersion: 'v1', kind: 'Pod', name: 'db-1', uid: owner }] : [];
        return sparse<PersistentVolumeClaim>({
          metadata: { name, ownerReferences, ...(deletionTimestamp && { deletionTimestamp }) },
        });
      },
    );
    assert.deepEqual([plan.create.map(({ metadata }) => metadata.name), plan.blockedBy], [create, blockedBy]);
  });

for (const [name, expected] of [
  ['data-web-0', true],
  ['log-web-12', true],
  ['data-web-', false],
  ['data-web-x', false],
  ['data-web-2-0', false],
  ['tmp-web-0', false],
] as const)
  test(`${name} is ${expected ? '' : 'not '}a claim of the set`, () => {
    const volumeClaimTemplates = ['data', 'log'].map((template) => ({ metadata: { name: template } }));
    const set = sparse<StatefulSet>({ metadata: { name: 'web' }, spec: { volumeClaimTemplates } });
    assert.equal(hasClaimName(set, name), expected);
  });

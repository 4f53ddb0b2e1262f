import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimFinalizer, podClaimAnnotation } from '../../api/resource/pod-claims.ts';
import type { Pod, ResourceClaim, ResourceClaimTemplate } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planPodClaims, planRelease, podsOfClaim } from './resource-claim-plan.ts';

const ownerOf = (name: string, uid: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  name,
  uid,
  controller: true,
});
const pod = (status: object = {}, metadata: object = {}) =>
  sparse<Pod>({
    metadata: { name: 'job', namespace: 'default', uid: 'u1', ...metadata },
    spec: {
      resourceClaims: [
        { name: 'gpu', resourceClaimTemplateName: 'big' },
        { name: 'shared', resourceClaimName: 'mine' },
      ],
    },
    status,
  });
const template = sparse<ResourceClaimTemplate>({
  spec: {
    metadata: { labels: { tier: 'x' }, annotations: { note: 'y' } },
    spec: { devices: { requests: [] } },
  },
});
const made = (uid: string) =>
  sparse<ResourceClaim>({
    metadata: {
      name: `job-gpu-${uid}`,
      ownerReferences: [ownerOf('job', uid)],
      annotations: { [podClaimAnnotation]: 'gpu' },
    },
  });

test('an entry that names a template gets a claim of it, which belongs to the pod', () => {
  const [step, ...more] = planPodClaims(pod(), [made('u0')], (name) =>
    name === 'big' ? template : undefined,
  );
  assert.deepEqual(more, []);
  assert.deepEqual(step, {
    entry: 'gpu',
    create: {
      metadata: {
        generateName: 'job-gpu-',
        namespace: 'default',
        ownerReferences: [ownerOf('job', 'u1')],
        annotations: { note: 'y', [podClaimAnnotation]: 'gpu' },
        labels: { tier: 'x' },
      },
      spec: { devices: { requests: [] } },
    },
  });
});

test('a claim that was made before is taken up, and none is made twice', () => {
  const own = made('u1');
  assert.deepEqual(
    planPodClaims(pod(), [made('u0'), own], () => template),
    [{ entry: 'gpu', present: own }],
  );
});

test('a template that is not there is a problem of the pod', () => {
  const problem = 'resource claim template "big": resourceclaimtemplate.resource.k8s.io "big" not found';
  assert.deepEqual(
    planPodClaims(pod(), [], () => undefined),
    [{ entry: 'gpu', problem }],
  );
});

for (const [what, given] of [
  ['knows its claims', pod({ resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'job-gpu-x' }] })],
  ['has ended', pod({ phase: 'Succeeded' })],
  ['is being deleted', pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })],
] as const)
  test(`a pod that ${what} needs no claim`, () => {
    assert.deepEqual(
      planPodClaims(given, [], () => template),
      [],
    );
  });

const user = (uid: string, more: object = {}) => ({ resource: 'pods', name: `pod-${uid}`, uid, ...more });
const claim = (status: object, metadata: object = {}) =>
  sparse<ResourceClaim>({
    metadata: { name: 'c', finalizers: [claimFinalizer, 'mine'], ...metadata },
    status,
  });
const allocation = { devices: { results: [] } };
const deletionTimestamp = '2026-01-01T00:00:00Z';
const ownerReferences = [ownerOf('job', 'u1')];

/** The claim; which of its pods are gone; what is done. */
const rows: [string, ResourceClaim, string[], ReturnType<typeof planRelease>][] = [
  ['whose users live stays', claim({ allocation, reservedFor: [user('a')] }), [], {}],
  [
    'loses only the user that is gone',
    claim({ allocation, devices: [], reservedFor: [user('a'), user('b')] }),
    ['a'],
    { status: { allocation, devices: [], reservedFor: [user('b')] } },
  ],
  [
    'keeps a user that is no pod',
    claim({ allocation, reservedFor: [user('a', { apiGroup: 'x.io' })] }),
    ['a'],
    {},
  ],
  [
    'gives its devices back with the last user',
    claim({ allocation, devices: [], reservedFor: [user('a')] }),
    ['a'],
    { status: {}, finalizers: ['mine'] },
  ],
  ['that the scheduler is about to allocate stays', claim({}), [], {}],
  [
    'that nobody uses gives its devices back only when it is deleted',
    claim({ allocation }, { deletionTimestamp }),
    [],
    { status: {}, finalizers: ['mine'] },
  ],
  [
    'that holds nothing is let go when deleted',
    claim({}, { deletionTimestamp }),
    [],
    { finalizers: ['mine'] },
  ],
  [
    'made for a pod goes with it',
    claim({ allocation, reservedFor: [user('u1')] }, { ownerReferences }),
    ['u1'],
    { status: {}, finalizers: ['mine'], isDeleted: true },
  ],
  [
    'made for a pod that never used it goes, too',
    claim({}, { ownerReferences }),
    ['u1'],
    { isDeleted: true },
  ],
  ['made for a pod that lives stays', claim({}, { ownerReferences }), [], {}],
  [
    'made for a pod that is gone stays while another uses it',
    claim({ allocation, reservedFor: [user('b')] }, { ownerReferences }),
    ['u1'],
    {},
  ],
];
for (const [what, given, gone, expected] of rows)
  test(`a claim ${what}`, () => {
    assert.deepEqual(planRelease(given, new Set(gone)), expected);
  });

test('a claim depends on the pods that use it and on the one that it was made for, each once', () => {
  const uids = (given: ResourceClaim) => podsOfClaim(given).map(({ uid }) => uid);
  assert.deepEqual(
    uids(claim({ reservedFor: [user('a'), user('b', { apiGroup: 'x.io' })] }, { ownerReferences })),
    ['a', 'u1'],
  );
  assert.deepEqual(uids(claim({ reservedFor: [user('u1')] }, { ownerReferences })), ['u1']);
});

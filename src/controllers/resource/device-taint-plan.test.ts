import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceTaintRule, Pod, ResourceClaim, ResourceSlice } from '../../api/resources.gen.ts';
import type { DeviceTaint, DeviceToleration } from '../../api/types/resource-v1.gen.ts';
import { type Sparse, sparse } from '../../base/sparse.fixture.ts';
import { planDeviceEviction } from './device-taint-plan.ts';
import { planRuleCondition, type RuleWorld } from './device-taint-rule-plan.ts';

const driver = 'gpu.example.com';
const addedMs = Date.parse('2026-01-01T00:10:00Z');
const later = (seconds: number) => new Date(addedMs + seconds * 1000).toISOString();

function taint(parts: Partial<DeviceTaint> = {}): DeviceTaint {
  return { key: 'broken', effect: 'NoExecute', timeAdded: later(0), ...parts };
}

function slice(taints: DeviceTaint[], generation = 1): ResourceSlice {
  const pool = { name: 'pool', generation, resourceSliceCount: 2 };
  return sparse<ResourceSlice>({
    spec: { driver, pool, devices: [{ name: 'gpu-0', taints }, { name: 'gpu-1' }] },
  });
}

function rule(name: string, effect: DeviceTaint['effect'] = 'NoExecute', device?: string): DeviceTaintRule {
  const deviceSelector = { driver, ...(device && { device }) };
  return sparse<DeviceTaintRule>({
    metadata: { name, uid: `uid-${name}`, generation: 3 },
    spec: { deviceSelector, taint: taint({ effect, timeAdded: later(5) }) },
  });
}

function claim(tolerations: DeviceToleration[] = [], more: Sparse<ResourceClaim> = {}): ResourceClaim {
  const results = [{ request: 'gpu', driver, pool: 'pool', device: 'gpu-0', tolerations }];
  return sparse<ResourceClaim>({
    metadata: { name: 'claim', namespace: 'default' },
    status: {
      allocation: { devices: { results } },
      reservedFor: [{ resource: 'pods', name: 'pod', uid: 'uid-pod' }],
    },
    ...more,
  });
}

function pod(more: Sparse<Pod> = {}): Pod {
  return sparse<Pod>({
    metadata: { name: 'pod', namespace: 'default', uid: 'uid-pod' },
    spec: { nodeName: 'node1', resourceClaims: [{ name: 'gpu', resourceClaimName: 'claim' }] },
    ...more,
  });
}

interface Case {
  slices?: ResourceSlice[];
  claim?: ResourceClaim;
  rules?: DeviceTaintRule[];
  pod?: Pod;
}

function worldOf({ slices = [slice([taint()])], claim: one = claim(), rules = [] }: Case) {
  return {
    claim: (key: string) => (key === 'default/claim' ? one : undefined),
    slicesOf: (name: string, pool: string) => (name === driver && pool === 'pool' ? slices : []),
    rules,
  };
}

const forAll = { operator: 'Exists', effect: 'NoExecute' } as const;
const fromTemplate = sparse<Pod>({
  spec: { nodeName: 'node1', resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }] },
  status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'claim' }] },
});

/** Seconds from the taint to the eviction; undefined: the pod stays. */
const cases: [string, Case, number | undefined][] = [
  ['evicted at once from a device with the taint', {}, 0],
  ['left on a device without taints', { slices: [slice([])] }, undefined],
  [
    'left where the taint has another effect',
    { slices: [slice([taint({ effect: 'NoSchedule' }), taint({ effect: 'None' })])] },
    undefined,
  ],
  [
    'left until it has a node',
    { pod: pod({ spec: { resourceClaims: pod().spec.resourceClaims! } }) },
    undefined,
  ],
  ['left where its claim is not allocated', { claim: claim([], { status: {} }) }, undefined],
  [
    'left where its claim is for another pod of its name',
    {
      claim: claim([], {
        status: { ...claim().status!, reservedFor: [{ resource: 'pods', name: 'pod', uid: 'old' }] },
      }),
    },
    undefined,
  ],
  ['left where the claim in its status was not made for it', { pod: pod(fromTemplate) }, undefined],
  [
    'evicted where its claim was made from a template',
    {
      pod: pod(fromTemplate),
      claim: claim([], {
        metadata: {
          name: 'claim',
          namespace: 'default',
          ownerReferences: [{ kind: 'Pod', apiVersion: 'v1', name: 'pod', uid: 'uid-pod', controller: true }],
        },
      }),
    },
    0,
  ],
  ['left by a toleration without a limit', { claim: claim([forAll]) }, undefined],
  [
    'evicted in spite of a toleration that names no effect',
    { claim: claim([{ key: 'broken', operator: 'Exists' }]) },
    0,
  ],
  ['evicted when its toleration ends', { claim: claim([{ ...forAll, tolerationSeconds: 30 }]) }, 30],
  [
    'evicted when the shortest of its tolerations ends',
    {
      claim: claim([
        { ...forAll, tolerationSeconds: 30 },
        { ...forAll, tolerationSeconds: 20 },
      ]),
    },
    20,
  ],
  ['evicted at once by a limit below zero', { claim: claim([{ ...forAll, tolerationSeconds: -5 }]) }, 0],
  [
    'left where one toleration of several has no limit',
    { claim: claim([{ ...forAll, tolerationSeconds: 30 }, forAll]) },
    undefined,
  ],
  [
    'evicted by the first of several taints',
    {
      slices: [slice([taint({ key: 'slow', timeAdded: later(9) }), taint()])],
      claim: claim([{ key: 'broken', ...forAll, tolerationSeconds: 30 }]),
    },
    9,
  ],
  [
    'left where a newer generation of the pool has no taint',
    { slices: [slice([taint()]), slice([], 2)] },
    undefined,
  ],
  [
    'left by an older generation where generations are large',
    {
      slices: [
        slice([], (2n ** 60n) as never),
        slice([taint()], 1),
        slice([taint()], (2n ** 60n - 1n) as never),
      ],
    },
    undefined,
  ],
  [
    'left for longer than any clock counts',
    { claim: claim([{ ...forAll, tolerationSeconds: (2n ** 63n - 1n) as never }]) },
    Number(2n ** 63n),
  ],
  ['evicted by the newest generation alone', { slices: [slice([]), slice([taint()], 2)] }, 0],
  ['evicted by a rule', { slices: [slice([])], rules: [rule('r')] }, 5],
  ['evicted by a rule on a device that is no longer published', { slices: [], rules: [rule('r')] }, 5],
  ['left by a rule on another device', { slices: [], rules: [rule('r', 'NoExecute', 'gpu-1')] }, undefined],
  ['left by a rule of another effect', { slices: [], rules: [rule('r', 'NoSchedule')] }, undefined],
];
for (const [what, given, seconds] of cases)
  test(`a pod is ${what}`, () => {
    const eviction = planDeviceEviction(given.pod ?? pod(), worldOf(given));
    assert.equal(eviction && (eviction.dueMs - addedMs) / 1000, seconds);
  });

test('the rules whose taints are not tolerated are among the reasons of an eviction, all of them', () => {
  const rules = [rule('a'), rule('b'), rule('c', 'NoExecute', 'gpu-1')];
  const eviction = planDeviceEviction(pod(), worldOf({ rules }));
  assert.deepEqual(
    [...(eviction?.rules ?? [])].map(({ metadata }) => metadata.name),
    ['a', 'b'],
  );
  assert.equal(eviction?.dueMs, addedMs);
});

/** Of a rule in a world with one pod on `gpu-0`, and another that is terminating. */
function conditionOf(one: DeviceTaintRule, evicted = 0, given: Case & { pods?: Pod[] } = {}) {
  const world: RuleWorld = {
    ...worldOf({ slices: [slice([])], rules: [one], ...given }),
    pods: given.pods ?? [pod(), pod({ metadata: { ...pod().metadata, deletionTimestamp: later(0) } })],
    claims: [given.claim ?? claim(), claim([], { status: {} })],
    slices: [slice([], 2), slice([])],
  };
  const { status, reason, message, observedGeneration } = planRuleCondition(one, world, evicted);
  assert.equal(observedGeneration, 3);
  return [status, reason, message];
}

test('a rule tells how many pods are to be evicted', () => {
  assert.deepEqual(conditionOf(rule('r')), [
    'True',
    'PodsPendingEviction',
    '1 pod needs to be evicted in 1 namespace.',
  ]);
  const elsewhere = pod({ metadata: { ...pod().metadata, namespace: 'other' } });
  const everywhere = { ...worldOf({ rules: [] }), claim: () => claim() };
  const one = rule('r');
  const { message } = planRuleCondition(
    one,
    { ...everywhere, rules: [one], pods: [pod(), elsewhere, pod()], claims: [], slices: [] },
    1,
  );
  assert.equal(
    message,
    '3 pods need to be evicted in 2 different namespaces. 1 pod evicted since starting the controller.',
  );
});

test('a rule tells that there is nothing to evict, or nothing any more', () => {
  assert.deepEqual(conditionOf(rule('r'), 0, { pods: [] }), ['False', 'NotStarted', '']);
  assert.deepEqual(conditionOf(rule('r'), 2, { pods: [] }), [
    'False',
    'Completed',
    '2 pods evicted since starting the controller.',
  ]);
  assert.deepEqual(conditionOf(rule('r', 'NoSchedule')), [
    'False',
    'OtherEffect',
    'Eviction only happens for the NoExecute effect.',
  ]);
});

test('a rule without effect tells what it would do', () => {
  const end =
    'if the effect was NoExecute. This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.';
  assert.deepEqual(conditionOf(rule('r', 'None')), [
    'False',
    'NoEffect',
    `2 published devices selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace ${end}`,
  ]);
  assert.deepEqual(conditionOf(rule('r', 'None', 'gpu-1')), [
    'False',
    'NoEffect',
    `1 published device selected. 0 allocated devices selected. 0 pods would be evicted in 0 different namespaces ${end}`,
  ]);
});

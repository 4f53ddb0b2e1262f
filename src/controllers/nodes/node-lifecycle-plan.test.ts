import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node, pod } from '../objects.fixture.ts';
import {
  evictionIntervalMs,
  missingOldLabels,
  planEvictionTurn,
  planTaints,
  silentConditions,
  zoneState,
} from './node-lifecycle-plan.ts';
import { addedAtMs, evictionTime, planEvictions, taintTimes } from './taint-eviction-plan.ts';

const now = '2026-01-01T00:00:00Z';
const names = (taints: ReturnType<typeof planTaints>) => taints?.map(({ key, effect }) => `${key}:${effect}`);

test('a silent node is Unknown in all that it reported, once', () => {
  const conditions = silentConditions(node('a'), now)!;
  assert.deepEqual(
    conditions.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['Ready', 'Unknown', 'NodeStatusUnknown'],
      ['MemoryPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['DiskPressure', 'Unknown', 'NodeStatusNeverUpdated'],
      ['PIDPressure', 'Unknown', 'NodeStatusNeverUpdated'],
    ],
  );
  assert.equal(silentConditions({ ...node('a'), status: { conditions } }, now), undefined);
});

test('taints follow the conditions', () => {
  const unreachable = 'node.kubernetes.io/unreachable';
  assert.equal(planTaints(node('a'), 'yes', now), undefined);
  assert.deepEqual(names(planTaints(node('a', { ready: 'Unknown' }), 'no', now)), [
    `${unreachable}:NoSchedule`,
  ]);
  assert.deepEqual(names(planTaints(node('a', { ready: 'Unknown' }), 'yes', now)), [
    `${unreachable}:NoSchedule`,
    `${unreachable}:NoExecute`,
  ]);
  const tainted = [
    { key: unreachable, effect: 'NoExecute' },
    { key: 'own', effect: 'NoExecute' },
  ];
  assert.deepEqual(names(planTaints(node('a', { taints: tainted }), 'no', now)), ['own:NoExecute']);
  assert.deepEqual(names(planTaints(node('a', { ready: 'Unknown', taints: tainted }), 'withdraw', now)), [
    'own:NoExecute',
    `${unreachable}:NoSchedule`,
  ]);
});

test('trouble that takes most of a zone spreads slowly, and not at all when it takes everything', () => {
  assert.deepEqual(
    [zoneState(3, 1), zoneState(2, 3), zoneState(0, 2), zoneState(1, 2)],
    ['normal', 'partial', 'full', 'normal'],
  );
  assert.deepEqual(
    [evictionIntervalMs('normal', 4), evictionIntervalMs('partial', 5), evictionIntervalMs('partial', 60)],
    [10_000, undefined, 100_000],
  );
});

test('a pod goes when its toleration ends', () => {
  const taints = [{ key: 'x', effect: 'NoExecute' as const }];
  const tolerating = (...tolerations: object[]) =>
    ({ ...pod('a'), spec: { containers: [], tolerations } }) as ReturnType<typeof pod>;
  assert.equal(evictionTime(pod('a'), taints, [1_000]), 1_000);
  assert.equal(evictionTime(tolerating({ key: 'x', operator: 'Exists' }), taints, [1_000]), undefined);
  assert.equal(
    evictionTime(tolerating({ operator: 'Exists', tolerationSeconds: 300 }), taints, [1_000]),
    301_000,
  );
  const long = evictionTime(
    tolerating({ operator: 'Exists', tolerationSeconds: 2n ** 60n }),
    taints,
    [1_000],
  );
  assert.equal(long, 2 ** 60 * 1000, 'a time that no timer reaches holds up no other pod of the node');
});

test('old labels have the values of those that replaced them', () => {
  const labelled = (labels: Record<string, string>) => missingOldLabels(node('a', { labels }));
  assert.deepEqual(labelled({ 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64' }), {
    'beta.kubernetes.io/os': 'linux',
    'beta.kubernetes.io/arch': 'arm64',
  });
  assert.equal(labelled({ 'kubernetes.io/os': 'linux', 'beta.kubernetes.io/os': 'linux' }), undefined);
  assert.equal(missingOldLabels(node('a')), undefined);
});

const zone = (name: string) => ({ 'topology.kubernetes.io/zone': name });
const nodes = (ready: number, silent: number, labels = zone('a')) => [
  ...Array.from({ length: ready }, (_, at) => node(`r${at}`, { labels })),
  ...Array.from({ length: silent }, (_, at) => node(`s${at}`, { labels, ready: 'Unknown' })),
];
const taintedAlready = node('s0', {
  labels: zone('a'),
  ready: 'Unknown',
  taints: [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' }],
});
const silent = node('s0', { labels: zone('a'), ready: 'Unknown' });

for (const [what, given, all, lastMs, expected] of [
  ['that is ready loses none', node('r0'), nodes(1, 0), undefined, { mayEvict: 'no' }],
  ['that is the first to be silent loses its pods', silent, nodes(2, 1), undefined, { mayEvict: 'yes' }],
  ['that follows another too soon waits', silent, nodes(2, 2), 95_000, { mayEvict: 'no', waitMs: 5_000 }],
  ['that follows another later does not', silent, nodes(2, 2), 90_000, { mayEvict: 'yes' }],
  ['that is losing them goes on', taintedAlready, nodes(2, 1), 99_000, { mayEvict: 'no' }],
  ['of many in a small zone keeps them', silent, nodes(1, 4), undefined, { mayEvict: 'no', waitMs: 40_000 }],
  ['where no node is heard from keeps them', silent, nodes(0, 3), undefined, { mayEvict: 'withdraw' }],
  [
    'whose whole zone is silent loses them while others report',
    silent,
    [...nodes(0, 1), ...nodes(1, 0, zone('b'))],
    undefined,
    { mayEvict: 'yes' },
  ],
] as const)
  test(`pods go from nodes at a limited rate: a node ${what}`, () => {
    assert.deepEqual(planEvictionTurn(given, all, { lastMs, nowMs: 100_000 }), expected);
  });

test('of the pods of a tainted node, some go now, some later, and some may stay after all', () => {
  const taints = [{ key: 'x', effect: 'NoExecute' as const }];
  const tolerant = (name: string, tolerationSeconds?: number) => {
    const one = pod(name);
    one.spec!.tolerations = [{ operator: 'Exists', ...(tolerationSeconds && { tolerationSeconds }) }];
    return one;
  };
  const pods = [
    pod('now'),
    tolerant('later', 10),
    tolerant('latest', 20),
    tolerant('stays'),
    tolerant('stayed'),
    pod('going', { deleted: true }),
  ];
  const scheduled = new Set(['uid-stays', 'uid-going']);
  const plan = planEvictions(pods, { taints, addedMs: [1_000] }, { scheduled, nowMs: 5_000 });
  assert.deepEqual(
    plan.due.map(({ pod: one, dueMs }) => [one.metadata.name, dueMs]),
    [['now', 1_000]],
  );
  assert.deepEqual([...plan.later], ['uid-later', 'uid-latest']);
  assert.deepEqual(
    plan.cancelled.map(({ metadata }) => metadata.name),
    ['stays'],
  );
  assert.equal(plan.nextMs, 11_000);
});

test('a taint without a time counts from when it was first seen', () => {
  const dated = { key: 'd', effect: 'NoExecute' as const, timeAdded: '1970-01-01T00:00:09Z' };
  const undated = { key: 'u', effect: 'NoExecute' as const };
  const first = taintTimes([dated, undated], new Map(), 1_000);
  const second = taintTimes([undated, dated], first, 2_000);
  assert.deepEqual([addedAtMs(undated, second), addedAtMs(dated, second)], [1_000, 9_000]);
  const gone = taintTimes([dated], second, 3_000);
  assert.deepEqual([gone.size, addedAtMs(undated, taintTimes([undated], gone, 4_000))], [0, 4_000]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node, pod } from '../objects.fixture.ts';
import { evictionIntervalMs, planTaints, silentConditions, zoneState } from './node-lifecycle-plan.ts';
import { evictionTime } from './taint-eviction.ts';

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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LabelSelector } from '../../../api/meta.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { nowMs, type PodShape, pod, replicaSet } from '../../objects.fixture.ts';
import { ageRatios, planReplicaStatus, planReplicas, selectedByAny } from './replicas.ts';

const now = { ms: nowMs, text: '2026-01-01T01:00:00Z' };
const podsOf = (count: number, shape: PodShape = {}) =>
  Array.from({ length: count }, (_, at) => pod(`p${at}`, { node: `n${at}`, ...shape }));
const none = () => [];

/** Wanted; the pods that are there; how many are created, and which go. */
const rows: [string, number, ReturnType<typeof podsOf>, number, string[]][] = [
  ['as many as wanted are left alone', 2, podsOf(2), 0, []],
  ['missing ones are created', 3, podsOf(1), 2, []],
  ['at most 500 are created at a time', 1_000, [], 500, []],
  ['ended ones do not count', 2, [pod('done', { phase: 'Succeeded' }), pod('live')], 1, []],
  ['those on their way out do not count', 2, [pod('going', { deleted: true }), pod('live')], 1, []],
  ['surplus ones go', 1, [pod('ready', { node: 'n' }), pod('pending', { phase: 'Pending' })], 0, ['pending']],
];
for (const [what, wanted, pods, create, remove] of rows)
  test(`of pods, ${what}`, () => {
    const plan = planReplicas(replicaSet('web', wanted, 0), pods, none, nowMs);
    assert.deepEqual([plan.create, plan.remove.map(({ metadata }) => metadata.name)], [create, remove]);
  });

test('an owner that is being deleted creates and deletes nothing', () => {
  const owner = replicaSet('web', 3, 0, { deletionTimestamp: now.text });
  assert.deepEqual(planReplicas(owner, podsOf(5), none, nowMs), { create: 0, remove: [] });
});

test('the pods of siblings are looked up only where a choice has to be made', () => {
  let asked = 0;
  const related = () => {
    asked++;
    return [];
  };
  planReplicas(replicaSet('web', 2, 0), podsOf(2), related, nowMs);
  assert.equal(asked, 0);
  planReplicas(replicaSet('web', 1, 0), podsOf(2), related, nowMs);
  assert.equal(asked, 1);
});

test('related are all pods that one of the owners selects, also those that nobody controls', () => {
  const pods = [
    pod('own', { labels: { app: 'web', version: '1' } }),
    pod('of-both', { labels: { app: 'web', version: '2', track: 'canary' } }),
    pod('other', { labels: { app: 'db' } }),
    pod('bare'),
  ];
  const selectors: LabelSelector[] = [{ matchLabels: { app: 'web' } }, { matchLabels: { track: 'canary' } }];
  assert.deepEqual(
    selectedByAny([...selectors, undefined], pods).map(({ metadata }) => metadata.name),
    ['own', 'of-both'],
  );
  assert.deepEqual(selectedByAny([], pods), []);
});

test('ages of deleted pods are compared with the youngest, where some were chosen to stay', () => {
  const old = pod('old', { created: '2026-01-01T00:00:00Z' });
  const young = pod('young', { created: '2026-01-01T00:45:00Z' });
  const ended = pod('ended', { phase: 'Failed' });
  assert.deepEqual(ageRatios([old], [old, young], nowMs), [4]);
  assert.deepEqual(ageRatios([old, young], [old, young, ended], nowMs), []);
  assert.deepEqual(ageRatios([], [old], nowMs), []);
});

test('the status counts what is active, ready, available and on its way out', () => {
  const owner = replicaSet('web', 4, 0);
  owner.spec!.minReadySeconds = 60;
  owner.spec!.template = sparse<NonNullable<typeof owner.spec>['template']>({
    metadata: { labels: { app: 'web' } },
  });
  const pods = [
    pod('available', { labels: { app: 'web' } }),
    pod('ready', { readySince: '2026-01-01T00:59:30Z' }),
    pod('starting', { phase: 'Pending', labels: { app: 'web', more: 'x' } }),
    pod('going', { deleted: true }),
    pod('ended', { phase: 'Failed' }),
  ];
  assert.deepEqual(planReplicaStatus(owner, pods, undefined, now), {
    replicas: 3,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 1,
  });
});

test('a failure that lasts keeps its first message, and goes with the failure', () => {
  const owner = replicaSet('web', 1, 0);
  const failed = (error: Error) =>
    planReplicaStatus(owner, [], { reason: 'FailedCreate', error }, now).conditions;
  owner.status = { replicas: 0, conditions: failed(new Error('pods "a" is forbidden'))! };
  assert.equal(owner.status.conditions?.[0]?.message, 'pods "a" is forbidden');
  assert.equal(failed(new Error('pods "b" is forbidden'))?.[0]?.message, 'pods "a" is forbidden');
  assert.equal(planReplicaStatus(owner, [], undefined, now).conditions, undefined);
});

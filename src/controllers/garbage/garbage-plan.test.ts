import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foregroundFinalizer, orphanFinalizer } from '../../api/well-known.ts';
import type { GraphNode } from './garbage-graph.ts';
import {
  blockingDependents,
  type Collected,
  type CollectPlan,
  type OwnersByState,
  planCollect,
} from './garbage-plan.ts';

const owner = (uid: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  name: uid,
  uid,
  ...more,
});
const owners = (given: Partial<Record<keyof OwnersByState, string[]>>): OwnersByState => {
  const of = (state: keyof OwnersByState) => (given[state] ?? []).map((uid) => owner(uid));
  return { solid: of('solid'), unseen: of('unseen'), dangling: of('dangling'), waiting: of('waiting') };
};
const alone: Collected = { finalizers: [], dependents: undefined };
const having = (...deleting: boolean[]): Collected => ({
  finalizers: [],
  dependents: new Set(deleting.map((isDeletingDependents) => ({ isDeletingDependents }))),
});
const keep = (drop: string[] = [], isUnsure = false): CollectPlan => ({ act: 'keep', drop, isUnsure });
const remove = (policy: 'Orphan' | 'Foreground' | 'Background', unblocksOwners = false): CollectPlan => ({
  act: 'delete',
  policy,
  unblocksOwners,
});

/** Its owners, what else is known of it; what becomes of it. */
const rows: [string, OwnersByState, Collected, CollectPlan][] = [
  ['without owners stays', owners({}), alone, keep()],
  ['with an owner stays', owners({ solid: ['a'] }), alone, keep()],
  [
    'with one owner left loses the others',
    owners({ solid: ['a'], dangling: ['b'], waiting: ['c'] }),
    alone,
    keep(['b', 'c']),
  ],
  [
    'whose owner no watch has shown is checked again',
    owners({ unseen: ['a'], dangling: ['b'] }),
    alone,
    keep(['b'], true),
  ],
  ['whose owners are gone goes', owners({ dangling: ['a', 'b'] }), alone, remove('Background')],
  [
    'whose owners are gone goes as its own deletion was asked for: in the foreground',
    owners({ dangling: ['a'] }),
    { ...alone, finalizers: [foregroundFinalizer] },
    remove('Foreground'),
  ],
  [
    'whose owners are gone goes as its own deletion was asked for: leaving its dependents',
    owners({ dangling: ['a'] }),
    { ...alone, finalizers: [orphanFinalizer, foregroundFinalizer] },
    remove('Orphan'),
  ],
  ['for which an owner waits goes', owners({ waiting: ['a'] }), alone, remove('Background')],
  [
    'for which an owner waits goes after its own dependents',
    owners({ waiting: ['a'] }),
    having(false),
    remove('Foreground'),
  ],
  [
    'in a cycle of waiting objects holds back its owners no longer',
    owners({ waiting: ['a'] }),
    having(false, true),
    remove('Foreground', true),
  ],
];
for (const [what, of, more, expected] of rows)
  test(`an object ${what}`, () => {
    assert.deepEqual(planCollect(of, more), expected);
  });

test('an owner waits only for dependents that hold it back', () => {
  const dependent = (name: string, ...references: object[]) =>
    ({ name, owners: references }) as unknown as GraphNode;
  const blocking = dependent('blocking', owner('a', { blockOwnerDeletion: true }));
  const dependents = new Set([
    blocking,
    dependent('free', owner('a')),
    dependent('of another', owner('b', { blockOwnerDeletion: true }), owner('a')),
  ]);
  assert.deepEqual(blockingDependents({ uid: 'a', dependents } as unknown as GraphNode), [blocking]);
  assert.deepEqual(blockingDependents({ uid: 'a' } as unknown as GraphNode), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import { deployment, replicaSet, rolling } from '../../objects.fixture.ts';
import {
  maxSurgeOf,
  maxUnavailableOf,
  newReplicaSetSize,
  planProportionalScale,
  planRollingUpdate,
  type ScaleStep,
  withCountsOf,
} from './deployment-rollout.ts';

const sizes = (steps: readonly ScaleStep[]) =>
  Object.fromEntries(steps.map(({ rs, replicas }) => [rs.metadata.name, replicas]));

test('surge rounds up, unavailable rounds down, and both zero still get on', () => {
  for (const [replicas, surge, unavailable, expected] of [
    [10, '25%', '25%', [3, 2]],
    [1, '25%', '25%', [1, 0]],
    [3, 0, '20%', [0, 1]],
    [2, 5, 5, [5, 2]],
    [0, '25%', '25%', [0, 0]],
  ] as const) {
    const one = deployment(replicas, rolling(surge, unavailable));
    assert.deepEqual([maxSurgeOf(one), maxUnavailableOf(one)], expected);
  }
});

/** desired, surge, unavailable; new [size, available]; old [size, available] …; expected changes */
const rows: [string, number, number, number, [number, number], [number, number][], Record<string, number>][] =
  [
    ['the new set grows as far as the surge lets it', 10, 3, 0, [0, 0], [[10, 10]], { new: 3 }],
    ['the new set does not outgrow the wish', 3, 5, 0, [2, 2], [[1, 1]], { new: 3 }],
    ['old pods go as new ones are available', 10, 3, 0, [3, 2], [[10, 10]], { old0: 8 }],
    ['nothing moves while the new pods are not available', 10, 3, 0, [3, 0], [[10, 10]], {}],
    ['unavailable lets old pods go first', 4, 0, 1, [0, 0], [[4, 4]], { old0: 3 }],
    [
      'old pods that serve nobody go first',
      10,
      0,
      2,
      [0, 0],
      [
        [8, 8],
        [2, 0],
      ],
      { old1: 0 },
    ],
    ['a set that shrank is not counted with what it had', 10, 5, 0, [5, 4], [[7, 10]], { new: 8 }],
    ['a new set that is too large shrinks', 3, 1, 0, [5, 5], [], { new: 3 }],
    ['done is done', 3, 1, 0, [3, 3], [[0, 0]], {}],
  ];
for (const [name, desired, surge, unavailable, current, old, expected] of rows) {
  test(name, () => {
    const one = deployment(desired, rolling(surge, unavailable));
    const sets = old.map(([size, available], index) => replicaSet(`old${index}`, size, available));
    assert.deepEqual(sizes(planRollingUpdate(one, replicaSet('new', ...current), sets)), expected);
  });
}

test('a pod that does not exist yet goes before one that may be better than the status says', () => {
  const behind = replicaSet('behind', 4, 0);
  const uncreated = replicaSet('uncreated', 1, 0);
  uncreated.status!.replicas = 0;
  const steps = planRollingUpdate(deployment(4, rolling(1, 0)), replicaSet('new', 0, 0), [behind, uncreated]);
  assert.deepEqual(sizes(steps), { uncreated: 0 });
});

test('the counts of a set are those of its own pods that are neither ended nor terminating', () => {
  const rs = replicaSet('web', 4, 0);
  const ownerReferences = [
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: rs.metadata.uid, controller: true },
  ];
  const podWith = (phase: string, ready: string, metadata = {}) =>
    ({
      metadata: { name: 'web', ownerReferences, ...metadata },
      status: { phase, conditions: [{ type: 'Ready', status: ready }] },
    }) as Pod;
  const pods = [
    podWith('Running', 'True'),
    podWith('Running', 'False'),
    podWith('Failed', 'False'),
    podWith('Running', 'True', { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    podWith('Running', 'True', { ownerReferences: [] }),
  ];
  const { status } = withCountsOf(rs, pods, 0);
  assert.deepEqual([status?.replicas, status?.availableReplicas], [2, 1]);
  assert.equal(status?.observedGeneration, 1);
});

test('no step of any rolling update leaves its bounds', () => {
  for (const [desired, surge, unavailable] of [
    [10, 3, 2],
    [5, 0, 1],
    [4, 4, 4],
    [1, 1, 0],
    [7, '25%', '25%'],
  ] as const) {
    const one = deployment(desired, rolling(surge, unavailable));
    let fresh = replicaSet(
      'new',
      newReplicaSetSize(one, [replicaSet('old', desired, desired)], undefined),
      0,
    );
    let old = replicaSet('old', desired, desired);
    for (let step = 0; step < 100; step++) {
      for (const { rs, replicas } of planRollingUpdate(one, fresh, [old])) {
        const available = Math.min(rs.status!.availableReplicas!, replicas);
        if (rs === fresh) fresh = replicaSet('new', replicas, available);
        else old = replicaSet('old', replicas, available);
      }
      const total = fresh.spec!.replicas! + old.spec!.replicas!;
      const available = fresh.status!.availableReplicas! + old.status!.availableReplicas!;
      assert.ok(total <= desired + maxSurgeOf(one), `${total} pods`);
      assert.ok(available >= desired - maxUnavailableOf(one), `${available} available`);
      // One more of the new pods becomes available.
      const more = Math.min(fresh.spec!.replicas!, fresh.status!.availableReplicas! + 1);
      fresh = replicaSet('new', fresh.spec!.replicas!, more);
    }
    assert.deepEqual([fresh.spec!.replicas, old.spec!.replicas], [desired, 0]);
  }
});

test('a Deployment that is scaled in mid-rollout keeps the shares of its sets', () => {
  const annotations = {
    'deployment.kubernetes.io/max-replicas': '13',
    'deployment.kubernetes.io/desired-replicas': '10',
  };
  const fresh = replicaSet('new', 5, 2, { annotations, creationTimestamp: '2026-01-01T00:10:00Z' });
  const old = replicaSet('old', 8, 8, { annotations });
  const steps = planProportionalScale(deployment(15, rolling(3, 2)), fresh, [old]);
  assert.deepEqual(sizes(steps), { old: 11, new: 7 });
});

test('scaling with one active set gives it all', () => {
  assert.deepEqual(
    sizes(planProportionalScale(deployment(5), replicaSet('new', 3, 3), [replicaSet('old', 0, 0)])),
    { new: 5 },
  );
  assert.deepEqual(
    sizes(
      planProportionalScale(deployment(0, rolling(1, 0)), replicaSet('new', 2, 2), [replicaSet('old', 1, 1)]),
    ),
    { new: 0, old: 0 },
  );
});

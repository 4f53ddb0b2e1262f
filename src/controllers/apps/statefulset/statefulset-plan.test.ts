import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerRevision, StatefulSet } from '../../../api/resources.gen.ts';
import { nowMs, type PodShape, pod, statefulSet } from '../../objects.fixture.ts';
import { type DoneStep, planStatefulSet, planStatefulStatus, statusAfter } from './statefulset-plan.ts';

const revision = (name: string) => ({ metadata: { name } }) as ControllerRevision;
const revisions = { current: revision('db-old'), update: revision('db-new') };
const at = (hash: string, shape: PodShape = {}) => ({
  ...shape,
  labels: { 'controller-revision-hash': hash },
});
const fresh = at('db-new');
const stale = at('db-old');
const broken = { ready: false };
const parallel = { podManagementPolicy: 'Parallel' };
const rollingUpdate = (rollingUpdate: object) => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate },
});

function plan(set: StatefulSet, pods: Record<number, PodShape>): string[] {
  const list = Object.entries(pods).map(([ordinal, shape]) => pod(`db-${ordinal}`, shape));
  return planStatefulSet(set, revisions, list, nowMs).steps.map(
    (step) => `${step.act} ${step.ordinal}${step.act === 'create' ? ` ${step.revision.metadata.name}` : ''}`,
  );
}

const rows: [string, StatefulSet, Record<number, PodShape>, string[]][] = [
  ['pods are made one after the other', statefulSet(3), {}, ['create 0 db-new']],
  ['the next waits until the one before is ready', statefulSet(3), { 0: at('db-new', broken) }, []],
  ['the next follows when it is', statefulSet(3), { 0: fresh }, ['create 1 db-new']],
  [
    'ordinals start where the set says',
    statefulSet(2, { ordinals: { start: 5 } }),
    { 5: fresh },
    ['create 6 db-new'],
  ],
  [
    'in parallel all are made at once',
    statefulSet(3, parallel),
    {},
    ['create 0 db-new', 'create 1 db-new', 'create 2 db-new'],
  ],
  ['a pod on its way out is waited for', statefulSet(1), { 0: at('db-new', { deleted: true }) }, []],
  [
    'a failed pod is replaced',
    statefulSet(2),
    { 0: at('db-new', { phase: 'Failed' }), 1: fresh },
    ['replace 0'],
  ],
  ['scaling down takes the highest first', statefulSet(1), { 0: fresh, 1: fresh, 2: fresh }, ['scaleDown 2']],
  [
    'scaling down waits for one on its way',
    statefulSet(1),
    { 0: fresh, 1: fresh, 2: at('db-new', { deleted: true }) },
    [],
  ],
  [
    'scaling down waits until those that stay are ready',
    statefulSet(1),
    { 0: at('db-new', broken), 1: fresh },
    [],
  ],
  [
    'one that is not yet available may go when none below it waits',
    statefulSet(1, { minReadySeconds: 60 }),
    { 0: fresh, 1: at('db-new', { readySince: '2026-01-01T00:59:30Z' }) },
    ['scaleDown 1'],
  ],
  [
    'one that is not yet available waits for one below it',
    statefulSet(1, { minReadySeconds: 60 }),
    {
      0: fresh,
      1: at('db-new', { readySince: '2026-01-01T00:59:30Z' }),
      2: at('db-new', { readySince: '2026-01-01T00:59:30Z' }),
    },
    [],
  ],
  [
    'in parallel all go at once',
    statefulSet(1, parallel),
    { 0: fresh, 1: fresh, 2: fresh },
    ['scaleDown 2', 'scaleDown 1'],
  ],
  ['an update goes from the top', statefulSet(3), { 0: stale, 1: stale, 2: stale }, ['update 2']],
  ['an update waits for the one before', statefulSet(3), { 0: stale, 1: stale, 2: at('db-new', broken) }, []],
  [
    'the partition holds the lower ones back',
    statefulSet(3, rollingUpdate({ partition: 2 })),
    { 0: stale, 1: stale, 2: fresh },
    [],
  ],
  [
    'a pod below the partition comes back as it was',
    statefulSet(2, rollingUpdate({ partition: 1 })),
    {},
    ['create 0 db-old'],
  ],
  [
    'OnDelete updates nothing by itself',
    statefulSet(2, { updateStrategy: { type: 'OnDelete' } }),
    { 0: stale, 1: stale },
    [],
  ],
  [
    'maxUnavailable lets more go at a time',
    statefulSet(4, rollingUpdate({ maxUnavailable: 2 })),
    { 0: stale, 1: stale, 2: stale, 3: stale },
    ['update 3', 'update 2'],
  ],
  [
    'maxUnavailable as a percentage is rounded down',
    statefulSet(5, rollingUpdate({ maxUnavailable: '50%' })),
    { 0: stale, 1: stale, 2: stale, 3: stale, 4: stale },
    ['update 4', 'update 3'],
  ],
  [
    'maxUnavailable is never less than one',
    statefulSet(3, rollingUpdate({ maxUnavailable: '10%' })),
    { 0: stale, 1: stale, 2: stale },
    ['update 2'],
  ],
];
for (const [name, set, pods, expected] of rows) test(name, () => assert.deepEqual(plan(set, pods), expected));

/** Pods; those whose claims are made again, those put right, and those about to go. */
const claimRows: [string, StatefulSet, Record<number, PodShape>, string[], string[], string[]][] = [
  [
    'pending',
    statefulSet(2),
    { 0: at('db-new', { phase: 'Pending' }), 1: fresh, 2: fresh },
    ['db-0'],
    [],
    [],
  ],
  ['not ready', statefulSet(2), { 0: fresh, 1: at('db-new', broken), 2: fresh }, [], ['db-0'], []],
  ['ready', statefulSet(1), { 0: fresh, 1: fresh, 2: fresh }, [], ['db-0'], ['db-2', 'db-1']],
  [
    'pending, in parallel,',
    statefulSet(2, parallel),
    { 0: at('db-new', { phase: 'Pending' }), 1: fresh, 2: at('db-new', { deleted: true }) },
    ['db-0'],
    ['db-0', 'db-1'],
    ['db-2'],
  ],
];
for (const [what, set, pods, pending, settled, condemned] of claimRows)
  test(`where a pod is ${what} the others' claims are seen to as far as its turn allows`, () => {
    const list = Object.entries(pods).map(([ordinal, shape]) => pod(`db-${ordinal}`, shape));
    const made = planStatefulSet(set, revisions, list, nowMs);
    const names = [made.pending, made.settled, made.condemned].map((entries) =>
      entries.map((entry) => entry.pod.metadata.name),
    );
    assert.deepEqual(names, [pending, settled, condemned]);
  });

test('a set that is being deleted does nothing', () => {
  const set = statefulSet(1);
  set.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  assert.deepEqual(plan(set, {}), []);
});

test('the status counts by revision', () => {
  const pods = [pod('db-0', stale), pod('db-1', at('db-new', broken))];
  const status = planStatefulStatus(statefulSet(2), revisions, pods, { collisionCount: 0, nowMs });
  const { replicas, readyReplicas, currentReplicas, updatedReplicas } = status;
  assert.deepEqual(
    { replicas, readyReplicas, currentReplicas, updatedReplicas },
    { replicas: 2, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1 },
  );
});

test('what was just done is counted, and after an update the new revision is the current one', () => {
  const after = (pods: ReturnType<typeof pod>[], done: DoneStep[], set = statefulSet(2)) => {
    const status = planStatefulStatus(set, revisions, pods, { collisionCount: 0, nowMs });
    const { currentRevision, replicas, currentReplicas, updatedReplicas } = statusAfter(set, status, done);
    return [currentRevision, replicas, currentReplicas, updatedReplicas];
  };
  const one = [pod('db-0', stale)];
  assert.deepEqual(after(one, [{ act: 'create', revision: 'db-new' }]), ['db-old', 2, 1, 1]);
  assert.deepEqual(after(one, [{ act: 'update', revision: 'db-old' }]), ['db-old', 1, 0, 0]);
  const all = [pod('db-0', fresh), pod('db-1', fresh)];
  assert.deepEqual(after(all, []), ['db-new', 2, 2, 2]);
  const onDelete = statefulSet(2, { updateStrategy: { type: 'OnDelete' } });
  assert.deepEqual(after(all, [], onDelete), ['db-old', 2, 0, 2]);
});

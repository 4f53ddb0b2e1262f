import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../../api/resources.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { deployment as deploymentOf, replicaSet } from '../../objects.fixture.ts';
import {
  annotationsFor,
  isResized,
  nextRevision,
  planHistoryCleanup,
  scaledReplicaSet,
  syncedReplicaSet,
} from './deployment-revision.ts';

const key = 'deployment.kubernetes.io/revision';
const setOf = (revision: string) => sparse<ReplicaSet>({ metadata: { annotations: { [key]: revision } } });

for (const [known, next] of [
  [[], 1n],
  [['2', '10', '9'], 11n],
  [['3546343826724305832'], 3546343826724305833n],
  [['4', 'not a number'], 5n],
  [['99999999999999999999'], 1n],
] as const)
  test(`after the revisions [${known.join()}] comes ${next}`, () => {
    assert.equal(nextRevision(known.map(setOf)), next);
  });

test('a set that is in force again gets the new number, and its history remembers the old one', () => {
  const deployment = sparse<Deployment>({ metadata: { annotations: { team: 'a' } } });
  assert.deepEqual(annotationsFor(deployment, setOf('3546343826724305832'), 3546343826724305834n), {
    [key]: '3546343826724305834',
    'deployment.kubernetes.io/revision-history': '3546343826724305832',
    team: 'a',
  });
});

test('the new set gets its number and what the Deployment passes on, once', () => {
  const rollout = deploymentOf(3, { minReadySeconds: 5 });
  rollout.metadata.annotations = { team: 'a', [key]: '1' };
  const synced = syncedReplicaSet(rollout, replicaSet('web-1', 3, 3), 2n);
  assert.deepEqual(
    [synced?.metadata.annotations, synced?.spec?.minReadySeconds],
    [{ team: 'a', [key]: '2' }, 5],
  );
  assert.equal(syncedReplicaSet(rollout, synced!, 2n), undefined);
});

const [desired, most] = ['desired', 'max'].map((what) => `deployment.kubernetes.io/${what}-replicas`);

test('a set that is scaled remembers the size of the Deployment', () => {
  const rollout = deploymentOf(4, { strategy: { rollingUpdate: { maxSurge: 2 } } });
  const scaled = scaledReplicaSet(rollout, { rs: replicaSet('web-1', 3, 3), replicas: 5 });
  assert.deepEqual(
    [scaled?.spec?.replicas, scaled?.metadata.annotations],
    [5, { [desired!]: '4', [most!]: '6' }],
  );
  assert.equal(scaledReplicaSet(rollout, { rs: scaled!, replicas: 5 }), undefined);
  assert.equal(scaledReplicaSet(rollout, { rs: scaled!, replicas: 4 })?.spec?.replicas, 4);
  assert.equal(scaledReplicaSet(deploymentOf(7), { rs: scaled!, replicas: 5 })?.spec?.replicas, 5);
});

for (const [what, replicas, scaledFor, expected] of [
  ['for another size', 2, '2', true],
  ['for this size', 2, '3', false],
  ['to none', 0, '2', false],
  ['by someone else', 2, undefined, false],
] as const)
  test(`a Deployment with a set that was scaled ${what} is ${expected ? '' : 'not '}resized`, () => {
    const annotations = scaledFor && { annotations: { [desired!]: scaledFor } };
    assert.equal(
      isResized(deploymentOf(3), [replicaSet('web-1', replicas, replicas, { ...annotations })]),
      expected,
    );
  });

test('of old sets, the lowest revisions beyond the limit go, if they are empty and settled', () => {
  const old = (name: string, revision: number, replicas = 0, more: object = {}) =>
    replicaSet(name, replicas, replicas, { annotations: { [key]: String(revision) }, ...more });
  const gone = (limit: number, ...sets: ReplicaSet[]) =>
    planHistoryCleanup(deploymentOf(1, { revisionHistoryLimit: limit }), sets).map(
      ({ metadata }) => metadata.name,
    );
  const sets = [old('c', 3), old('a', 1), old('b', 2)];
  assert.deepEqual(gone(1, ...sets), ['a', 'b']);
  assert.deepEqual(gone(0, ...sets), ['a', 'b', 'c']);
  assert.deepEqual(gone(3, ...sets), []);
  assert.deepEqual(gone(2 ** 31 - 1, ...sets), []);
  assert.deepEqual(gone(1, old('a', 1, 2), old('b', 2), old('c', 3)), ['b']);
  assert.deepEqual(gone(1, old('a', 1, 0, { generation: 2 }), old('b', 2), old('c', 3)), ['b']);
  assert.deepEqual(gone(1, old('a', 1, 0, { deletionTimestamp: 'x' }), old('b', 2), old('c', 3)), ['b']);
});

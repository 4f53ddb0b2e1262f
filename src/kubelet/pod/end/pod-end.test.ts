import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPod } from '../../pod.fixture.ts';
import { PodEnd } from './pod-end.ts';

const eviction = { reason: 'Evicted', message: 'The node was low on resource: memory.', graceSeconds: 5 };
const failure = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
};

/** A pod whose spec has that grace period, or none. */
function pod(terminationGracePeriodSeconds?: number) {
  return testPod(terminationGracePeriodSeconds === undefined ? {} : { terminationGracePeriodSeconds });
}

test('a pod without a reason to end does not end', () => {
  const end = new PodEnd();
  assert.equal(end.isDue(pod()), false);
  assert.equal(end.interrupt.aborted, false);
});

const reasons: Record<string, (end: PodEnd) => void> = {
  'its object is gone': (end) => Object.assign(end, { isRemoved: true }),
  'it has ended by itself': (end) => Object.assign(end, { hasEnded: true }),
  'it is evicted': (end) => end.evict(eviction),
  'it has failed': (end) => end.fail(failure),
};
for (const [reason, happens] of Object.entries(reasons))
  test(`a pod is to end when ${reason}`, () => {
    const end = new PodEnd();
    happens(end);
    assert.equal(end.isDue(pod()), true);
  });

test('a pod whose deletion was asked for before the node saw it is to end', () => {
  const deleted = pod();
  deleted.metadata.deletionTimestamp = '2026-01-01T00:00:00Z';
  assert.equal(new PodEnd().isDue(deleted), true);
});

test('the grace is the spec’s, unless an eviction or a deletion gives one; of these the shortest counts', () => {
  const end = new PodEnd();
  assert.equal(end.graceSeconds(pod()), 30);
  assert.equal(end.graceSeconds(pod(12)), 12);
  end.evict(eviction);
  assert.equal(end.graceSeconds(pod(12)), 5);
  end.noteDeletion(20);
  assert.equal(end.graceSeconds(pod(12)), 5);
  end.noteDeletion(2);
  assert.equal(end.graceSeconds(pod(12)), 2);
});

test('what is deleted by force, or has no grace, gets a second', () => {
  const end = new PodEnd();
  assert.equal(end.graceSeconds(pod(0)), 1);
  end.noteDeletion(0);
  assert.equal(end.graceSeconds(pod(12)), 1);
});

test('how a pod ends that is evicted is for its containers to say; one that fails has failed', () => {
  const evicted = new PodEnd();
  evicted.evict(eviction);
  assert.equal(evicted.verdict?.yieldsToSuccess, true);
  const failed = new PodEnd();
  failed.fail(failure);
  assert.deepEqual(failed.verdict, failure);
});

test('a second deletion may cut the grace and never lengthens it', () => {
  const end = new PodEnd();
  end.noteDeletion(30);
  end.noteDeletion(10);
  end.noteDeletion(60);
  assert.equal(end.graceSeconds(pod()), 10);
});

test('what ends already is told of every shorter grace, until it listens no longer', () => {
  const end = new PodEnd();
  const cuts: number[] = [];
  const unlisten = end.cuts.listen((seconds) => void cuts.push(seconds));
  for (const seconds of [30, 10, 60, 0]) end.noteDeletion(seconds);
  assert.deepEqual(cuts, [30, 10, 1]);
  unlisten();
  const other = new PodEnd();
  other.evict(eviction);
  other.cuts.listen((seconds) => void cuts.push(seconds))();
  other.noteDeletion(1);
  assert.deepEqual(cuts, [30, 10, 1]);
});

test('a deletion and an eviction interrupt what takes long', () => {
  const deleted = new PodEnd();
  deleted.noteDeletion(30);
  const evicted = new PodEnd();
  evicted.evict(eviction);
  assert.deepEqual([deleted.interrupt.aborted, evicted.interrupt.aborted], [true, true]);
});

test('the first eviction counts, and gives the reason of a pod that has failed, too', () => {
  const end = new PodEnd();
  end.fail(failure);
  assert.equal(end.evict(eviction), true);
  assert.equal(end.evict({ ...eviction, reason: 'Preempting' }), false);
  assert.equal(end.verdict?.reason, 'Evicted');
});

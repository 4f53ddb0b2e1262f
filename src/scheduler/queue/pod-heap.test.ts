import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { PodHeap } from './pod-heap.ts';
import type { QueuedPod } from './queued-pod.ts';

test('a pod that has moved elsewhere is passed over, until it is added again', () => {
  const heap = new PodHeap((left, right) => left.sequence < right.sequence);
  const [first, second] = [0, 1].map((sequence) => sparse<QueuedPod>({ sequence, ticket: 0 })) as [
    QueuedPod,
    QueuedPod,
  ];
  heap.push(second);
  heap.push(first);
  assert.equal(heap.peek(), first);
  first.ticket++;
  assert.equal(heap.peek(), second);
  heap.push(first);
  assert.deepEqual([heap.pop(), heap.pop(), heap.pop()], [first, second, undefined]);
});

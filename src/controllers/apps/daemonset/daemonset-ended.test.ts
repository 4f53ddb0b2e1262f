import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pod } from '../../objects.fixture.ts';
import { type NodeFailures, planEnded } from './daemonset-ended.ts';

const failed = (name: string, node: string) => pod(name, { node, phase: 'Failed' });
const nowMs = 100_000;

/** What is known of the node; whether the pod is replaced, what is remembered, when to look again. */
const rows: [string, NodeFailures | undefined, boolean, NodeFailures | undefined, number | undefined][] = [
  ['the first time, at once', undefined, true, { count: 1, untilMs: 101_000 }, undefined],
  ['the second time, when a second is over', { count: 1, untilMs: 100_500 }, false, undefined, 500],
  ['and later each time', { count: 3, untilMs: 99_000 }, true, { count: 4, untilMs: 108_000 }, undefined],
  [
    'after a quarter of an hour at most',
    { count: 40, untilMs: 0 },
    true,
    { count: 41, untilMs: 1_000_000 },
    undefined,
  ],
];
for (const [what, known, isReplaced, remembered, retryInMs] of rows)
  test(`a failed daemon pod is replaced ${what}`, () => {
    const plan = planEnded([failed('a', 'n1')], () => known, nowMs);
    assert.deepEqual(
      [plan.remove.length, plan.failed.get('n1'), plan.retryInMs],
      [isReplaced ? 1 : 0, remembered, retryInMs],
    );
    assert.deepEqual(
      plan.events.map(({ reason, message }) => [reason, message]),
      isReplaced
        ? [['FailedDaemonPod', 'Found failed daemon pod default/a on node n1, will try to kill it']]
        : [],
    );
  });

test('one that succeeded is replaced at once, and counts for nothing', () => {
  const waiting = { count: 9, untilMs: 999_000 };
  const plan = planEnded([pod('a', { node: 'n1', phase: 'Succeeded' })], () => waiting, nowMs);
  assert.deepEqual([plan.remove.length, plan.failed.size, plan.retryInMs], [1, 0, undefined]);
  assert.equal(
    plan.events[0]?.message,
    'Found succeeded daemon pod default/a on node n1, will try to delete it',
  );
});

test('each node has its own time', () => {
  const known: Record<string, NodeFailures> = {
    n2: { count: 1, untilMs: 103_000 },
    n3: { count: 1, untilMs: 102_000 },
  };
  const plan = planEnded(
    [failed('a', 'n1'), failed('b', 'n2'), failed('c', 'n3')],
    (node) => known[node],
    nowMs,
  );
  assert.deepEqual(
    plan.remove.map(({ metadata }) => metadata.name),
    ['a'],
  );
  assert.equal(plan.retryInMs, 2_000);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../api/resources.gen.ts';
import { node } from '../objects.fixture.ts';
import { type Heartbeat, listenTo } from './node-heartbeat.ts';

const reporting = (time: string): Node => {
  const one = node('n');
  one.status = { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: time }] };
  return one;
};
const never: Node = { ...node('n'), status: {} };
const heard = (atMs: number, more: Partial<Heartbeat> = {}): Heartbeat => ({
  atMs,
  renewTime: 'r1',
  status: reporting('t1').status,
  ...more,
});

/** The node, its lease, what was last heard; at 100 s: silent or not, and when to look again. */
const rows: [string, Node, string, Heartbeat | undefined, boolean, number][] = [
  ['that is new has its time', reporting('t1'), 'r1', undefined, false, 40_000],
  ['that never reported has more', never, 'r1', undefined, false, 60_000],
  ['that renewed its lease begins anew', reporting('t1'), 'r2', heard(50_000), false, 40_000],
  ['that wrote its status begins anew', reporting('t2'), 'r1', heard(50_000), false, 40_000],
  ['of which nothing is new has what is left', reporting('t1'), 'r1', heard(70_000), false, 10_000],
  ['that has been quiet for too long is silent', reporting('t1'), 'r1', heard(60_000), true, 20_000],
  ['that is looked at too late has its chance', reporting('t1'), 'r1', heard(50_000), false, 20_000],
  ['that had its chance is silent', reporting('t1'), 'r1', heard(50_000, { isOverdue: true }), true, 20_000],
];
for (const [what, given, renewTime, last, isSilent, nextCheckMs] of rows)
  test(`a node ${what}`, () => {
    const listened = listenTo(given, renewTime, last, 100_000);
    assert.deepEqual([listened.isSilent, listened.nextCheckMs], [isSilent, nextCheckMs]);
  });

test('a node that is looked at too late is silent when its chance is over', () => {
  const first = listenTo(reporting('t1'), 'r1', heard(50_000), 100_000);
  assert.equal(listenTo(reporting('t1'), 'r1', first.heartbeat, 119_000).isSilent, false);
  assert.equal(listenTo(reporting('t1'), 'r1', first.heartbeat, 120_000).isSilent, true);
  assert.equal(listenTo(reporting('t1'), 'r2', first.heartbeat, 120_000).isSilent, false);
});

test("what others write into a node's status is no sign of life", () => {
  const marked = reporting('t1');
  marked.status = {
    ...marked.status,
    conditions: [{ ...marked.status!.conditions![0]!, status: 'Unknown' }],
  };
  assert.equal(listenTo(marked, 'r1', heard(60_000), 100_000).isSilent, true);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRestarts, type RestartHistory, steadyMs } from './restart-plan.ts';

const nowMs = 1_000_000;

test('a process that ended is due at once, unless it keeps ending', () => {
  const rows: [string, RestartHistory | undefined, 'due' | number][] = [
    ['for the first time', undefined, 'due'],
    ['long after its last restart', { count: 9, streak: 9, atMs: nowMs - steadyMs }, 'due'],
    ['right after its first restart', { count: 1, streak: 1, atMs: nowMs - 100 }, 900],
    ['a second after its first restart', { count: 1, streak: 1, atMs: nowMs - 1000 }, 'due'],
    ['for the fourth time', { count: 3, streak: 3, atMs: nowMs - 1500 }, 2500],
    ['after the clock was set back', { count: 3, streak: 3, atMs: nowMs + 3_600_000 }, 4000],
    ['again and again', { count: 40, streak: 40, atMs: nowMs }, 30_000],
  ];
  for (const [name, history, expected] of rows) {
    const plan = planRestarts(['server'], history ? { server: history } : {}, nowMs);
    assert.deepEqual(plan.due, expected === 'due' ? ['server'] : [], name);
    assert.equal(plan.waitMs, expected === 'due' ? undefined : expected, name);
  }
});

test('a restart is counted, and continues a streak only while the process does not last', () => {
  const after = (atMs: number) =>
    planRestarts(['server'], { server: { count: 4, streak: 2, atMs } }, nowMs).histories.server;
  assert.deepEqual(after(nowMs - 5000), { count: 5, streak: 3, atMs: nowMs });
  assert.deepEqual(after(nowMs - steadyMs), { count: 5, streak: 1, atMs: nowMs });
});

test('each process has a history of its own; the one that is due first says how long to wait', () => {
  const known = {
    'a/agent': { count: 3, streak: 3, atMs: nowMs },
    'b/agent': { count: 2, streak: 2, atMs: nowMs },
    'c/agent': { count: 7, streak: 1, atMs: 0 },
  };
  const plan = planRestarts(['a/agent', 'b/agent', 'server'], known, nowMs);
  assert.deepEqual(plan.due, ['server']);
  assert.equal(plan.waitMs, 2000);
  assert.deepEqual(plan.histories, { ...known, server: { count: 1, streak: 1, atMs: nowMs } });
});

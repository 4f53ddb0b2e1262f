import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodDisruptionBudget } from '../../api/resources.gen.ts';
import { nowMs, pod } from '../objects.fixture.ts';
import {
  contestedMessage,
  contestedPods,
  planBudget,
  planFailSafe,
  unmanagedMessage,
} from './disruption-plan.ts';

const now = { ms: nowMs, text: new Date(nowMs).toISOString() };
const budget = (spec: object, status: object = {}) =>
  ({ metadata: { generation: 1 }, spec, status }) as PodDisruptionBudget;
const pods = (ready: number, broken = 0) => [
  ...Array.from({ length: ready }, (_, index) => pod(`r${index}`)),
  ...Array.from({ length: broken }, (_, index) => pod(`b${index}`, { ready: false })),
];

/** spec, ready pods, broken pods, scale; desired, allowed */
const rows: [object, number, number, number, number, number][] = [
  [{ minAvailable: 1 }, 2, 0, 2, 1, 1],
  [{ minAvailable: 2 }, 2, 1, 3, 2, 0],
  [{ minAvailable: '50%' }, 3, 0, 3, 2, 1],
  [{ maxUnavailable: 1 }, 3, 0, 3, 2, 1],
  [{ maxUnavailable: 1 }, 2, 1, 3, 2, 0],
  [{ maxUnavailable: '30%' }, 10, 0, 10, 7, 3],
  [{ maxUnavailable: 0 }, 3, 0, 3, 3, 0],
];
for (const [spec, ready, broken, scale, desired, allowed] of rows) {
  test(`${JSON.stringify(spec)} with ${ready} of ${ready + broken} pods ready allows ${allowed}`, () => {
    const { status } = planBudget(budget(spec), pods(ready, broken), scale, now);
    assert.deepEqual(
      [status.desiredHealthy, status.disruptionsAllowed, status.currentHealthy],
      [desired, allowed, ready],
    );
    assert.equal(status.conditions?.[0]?.reason, allowed > 0 ? 'SufficientPods' : 'InsufficientPods');
  });
}

test('an eviction that was allowed counts until its pod goes, or two minutes are over', () => {
  const time = (agoMs: number) => new Date(nowMs - agoMs).toISOString();
  const planned = planBudget(
    budget({ minAvailable: 1 }, { disruptedPods: { r0: time(1_000) } }),
    pods(2),
    2,
    now,
  );
  assert.deepEqual([planned.status.currentHealthy, planned.recheckInMs], [1, 119_000]);
  const late = planBudget(
    budget({ minAvailable: 1 }, { disruptedPods: { r0: time(121_000) } }),
    pods(2),
    2,
    now,
  );
  assert.deepEqual([late.status.currentHealthy, late.status.disruptedPods], [2, undefined]);
});

test('a budget whose controllers cannot be asked allows nothing, and says why', () => {
  const known = { currentHealthy: 3, desiredHealthy: 2, expectedPods: 3, disruptionsAllowed: 1 };
  const why = 'daemonsets.apps does not implement the scale subresource';
  const status = planFailSafe(budget({ maxUnavailable: 1 }, { ...known, observedGeneration: 1 }), why, now);
  assert.deepEqual(
    { ...status, conditions: undefined },
    { ...known, disruptionsAllowed: 0, observedGeneration: 1, conditions: undefined },
  );
  const [condition] = status.conditions ?? [];
  assert.deepEqual([condition?.status, condition?.reason, condition?.message], ['False', 'SyncFailed', why]);
});

test('the error about pods without a controller has the selector as upstream prints it', () => {
  const matchExpressions = [{ key: 'tier', operator: 'In', values: ['a', 'b'] }];
  const selector = { matchLabels: { b: '2', a: '1' }, matchExpressions };
  assert.match(
    unmanagedMessage(budget({ selector })),
    /^Pods selected by this PodDisruptionBudget \(selector: &LabelSelector\{MatchLabels:map\[string\]string\{a: 1,b: 2,\},MatchExpressions:\[\]LabelSelectorRequirement\{LabelSelectorRequirement\{Key:tier,Operator:In,Values:\[a b\],\},\},\}\) were found to be unmanaged\. As a result/,
  );
});

test('of several budgets of a pod, the first by name reports it', () => {
  const named = (name: string, labels: Record<string, string>) =>
    ({
      metadata: { name, namespace: 'default' },
      spec: { selector: { matchLabels: labels } },
    }) as PodDisruptionBudget;
  const [a, b, other] = [
    named('a', { app: 'web' }),
    named('b', { tier: 'front' }),
    named('c', { app: 'db' }),
  ];
  const all = [b!, other!, a!];
  const shared = pod('shared', { labels: { app: 'web', tier: 'front' } });
  const webOnly = pod('web', { labels: { app: 'web' } });
  assert.deepEqual(contestedPods(a!, all, [shared, webOnly]), [shared]);
  assert.deepEqual(contestedPods(b!, all, [shared]), []);
  assert.deepEqual(contestedPods(a!, [a!], [shared]), []);
  assert.equal(
    contestedMessage(a!, shared),
    'Pod "default"/"shared" matches multiple PodDisruptionBudgets.  Chose "a" arbitrarily.',
  );
});

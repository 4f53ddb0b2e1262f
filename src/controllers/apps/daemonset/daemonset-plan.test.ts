import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonSet, node, nowMs, type PodShape, pod } from '../../objects.fixture.ts';
import { fitNode, planDaemonStatus, planDaemons, planDaemonUpdate, podsByNode } from './daemonset-plan.ts';

const taint = (key: string, effect: string) => ({ key, effect });
const on = (name: string, hash = 'new', shape: PodShape = {}) =>
  pod(`ag-${name}-${hash}`, { ...shape, node: name, labels: { 'controller-revision-hash': hash } });
const view = (set: ReturnType<typeof daemonSet>, names: string[], pods: ReturnType<typeof pod>[]) => ({
  set,
  nodes: names.map((name) => node(name)),
  pods: podsByNode(pods),
  hash: 'new',
  nowMs,
});
const rollingUpdate = (rollingUpdate: object) => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate },
});

test('nodes are eligible by selector, affinity and taints', () => {
  const cases: [ReturnType<typeof daemonSet>, ReturnType<typeof node>, boolean, boolean][] = [
    [daemonSet(), node('a'), true, true],
    [daemonSet({}, { nodeSelector: { disk: 'ssd' } }), node('a'), false, false],
    [daemonSet({}, { nodeSelector: { disk: 'ssd' } }), node('a', { labels: { disk: 'ssd' } }), true, true],
    [daemonSet(), node('a', { taints: [taint('x', 'NoSchedule')] }), false, true],
    [daemonSet(), node('a', { taints: [taint('x', 'NoExecute')] }), false, false],
    [daemonSet(), node('a', { taints: [taint('x', 'PreferNoSchedule')] }), true, true],
    [
      daemonSet(),
      node('a', { taints: [taint('node.kubernetes.io/unschedulable', 'NoSchedule')] }),
      true,
      true,
    ],
    [daemonSet(), node('a', { taints: [taint('node.kubernetes.io/unreachable', 'NoExecute')] }), true, true],
    [
      daemonSet({}, { tolerations: [{ operator: 'Exists' }] }),
      node('a', { taints: [taint('x', 'NoExecute')] }),
      true,
      true,
    ],
  ];
  for (const [set, one, shouldRun, shouldContinue] of cases)
    assert.deepEqual(fitNode(set, one), { shouldRun, shouldContinue });
});

test('each eligible node gets a pod, and others lose theirs', () => {
  const set = daemonSet({}, { nodeSelector: { on: 'yes' } });
  const nodes = [node('a', { labels: { on: 'yes' } }), node('b')];
  const plan = planDaemons({ set, nodes, pods: podsByNode([on('b')]), hash: 'new', nowMs });
  assert.deepEqual([plan.create, plan.remove.map((one) => one.metadata.name)], [['a'], ['ag-b-new']]);
});

test('the older of two pods on a node stays', () => {
  const younger = on('a', 'new', { created: '2026-01-01T00:30:00Z' });
  const older = on('a', 'old');
  assert.deepEqual(planDaemons(view(daemonSet(), ['a'], [younger, older])).remove, [younger]);
});

test('a rolling update takes as many old pods as may be unavailable', () => {
  const pods = ['a', 'b', 'c'].map((name) => on(name, 'old'));
  const names = (max: number | string) =>
    planDaemonUpdate(view(daemonSet(rollingUpdate({ maxUnavailable: max })), ['a', 'b', 'c'], pods)).remove
      .length;
  assert.deepEqual([names(1), names(2), names('50%')], [1, 2, 2]);
});

test('a rolling update waits for new pods that are not ready, but not for old ones', () => {
  const set = daemonSet();
  assert.equal(
    planDaemonUpdate(view(set, ['a', 'b'], [on('a', 'new', { ready: false }), on('b', 'old')])).remove.length,
    0,
  );
  const broken = on('b', 'old', { ready: false });
  assert.deepEqual(planDaemonUpdate(view(set, ['a', 'b'], [on('a'), broken])).broken, [broken]);
});

test('with a surge the new pod comes first, and the old one goes when it is ready', () => {
  const set = daemonSet(rollingUpdate({ maxSurge: 1, maxUnavailable: 0 }));
  assert.deepEqual(planDaemonUpdate(view(set, ['a', 'b'], [on('a', 'old'), on('b', 'old')])).create, ['a']);
  const both = [on('a', 'old'), on('a', 'new', { ready: false })];
  assert.deepEqual(planDaemonUpdate(view(set, ['a'], both)), { create: [], remove: [], broken: [] });
  assert.deepEqual(planDaemonUpdate(view(set, ['a'], [both[0]!, on('a')])).remove, [both[0]]);
});

test('the status counts nodes', () => {
  const status = planDaemonStatus(
    view(daemonSet(), ['a', 'b', 'c'], [on('a'), on('b', 'old', { ready: false })]),
    undefined,
  );
  assert.deepEqual(status, {
    desiredNumberScheduled: 3,
    currentNumberScheduled: 2,
    numberMisscheduled: 0,
    numberReady: 1,
    updatedNumberScheduled: 1,
    numberAvailable: 1,
    numberUnavailable: 2,
    observedGeneration: 1,
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MetricSpec } from '../../api/types/autoscaling-v2.gen.ts';
import { pod } from '../objects.fixture.ts';
import { recentHistory, withScaling } from './hpa-behavior.ts';
import { autoscalersOf, type ComputedMetric, combineMetrics, sizeByBounds } from './hpa-plan.ts';
import { MetricProblem } from './hpa-replicas.ts';

const target = { scaleTargetRef: { kind: 'Deployment', name: 'web' } };

for (const [what, minReplicas, maxReplicas, current, expected] of [
  ['within the bounds, the metrics decide', 1, 5, 3, undefined],
  ['at a bound, the metrics decide', 3, 3, 3, undefined],
  ['above, it goes down to the most', 1, 5, 7, 5],
  ['below, it goes up to the least', 2, 5, 1, 2],
  ['of none, nothing is scaled', 1, 5, 0, 0],
  ['of none, where none is allowed, the metrics decide', 0, 5, 0, undefined],
] as const)
  test(`a size ${what}`, () => {
    const size = sizeByBounds({ ...target, minReplicas, maxReplicas }, current);
    assert.equal(size?.replicas, expected);
    assert.equal(size?.active?.reason, expected === 0 ? 'ScalingDisabled' : undefined);
  });

const metric = (type: MetricSpec['type'], outcome: number | string): ComputedMetric => ({
  spec: { type } as MetricSpec,
  outcome:
    typeof outcome === 'number'
      ? { replicas: outcome, name: `${type} metric`, status: { type } }
      : new MetricProblem(outcome, `in short: ${outcome}`),
});

/** The metrics; current size; what they ask for and why; the reason of the condition; reasons of warnings. */
const rows: [string, ComputedMetric[], number, [number, string] | undefined, string, string[]][] = [
  [
    'the largest counts',
    [metric('Resource', 2), metric('Pods', 4)],
    3,
    [4, 'Pods metric above target'],
    'ValidMetricFound',
    [],
  ],
  [
    'all below scale down',
    [metric('Resource', 2), metric('Pods', 1)],
    3,
    [2, 'All metrics below target'],
    'ValidMetricFound',
    [],
  ],
  ['what is as wanted has no reason', [metric('Resource', 3)], 3, [3, ''], 'ValidMetricFound', []],
  [
    'a missing one does not keep others from scaling up',
    [metric('External', 'away'), metric('Resource', 4)],
    3,
    [4, 'Resource metric above target'],
    'ValidMetricFound',
    ['FailedGetExternalMetric'],
  ],
  [
    'a missing one keeps the others from scaling down',
    [metric('Resource', 2), metric('External', 'away')],
    3,
    undefined,
    'FailedGetExternalMetric',
    ['FailedGetExternalMetric', 'FailedComputeMetricsReplicas'],
  ],
  [
    'of several missing ones the first is named',
    [metric('Pods', 'gone'), metric('Object', 'away')],
    3,
    undefined,
    'FailedGetPodsMetric',
    ['FailedGetPodsMetric', 'FailedGetObjectMetric', 'FailedComputeMetricsReplicas'],
  ],
  [
    'none at all are no metrics',
    [],
    3,
    undefined,
    'InvalidMetricSourceType',
    ['FailedComputeMetricsReplicas'],
  ],
];
for (const [what, metrics, current, asked, active, warnings] of rows)
  test(`of an autoscaler's metrics, ${what}`, () => {
    const combined = combineMetrics(metrics, current);
    assert.deepEqual(combined.asked && [combined.asked.replicas, combined.asked.reason], asked);
    assert.equal(combined.active.reason, active);
    assert.deepEqual(
      combined.warnings.map(({ reason }) => reason),
      warnings,
    );
    assert.equal(combined.statuses.length, metrics.length);
    assert.equal(
      combined.isPartial,
      metrics.some(({ outcome }) => outcome instanceof MetricProblem),
    );
  });

test('what is wrong with metrics is summed up with their number, and the place of a missing one stays', () => {
  const { active, warnings, statuses } = combineMetrics([metric('Pods', 'gone'), metric('Resource', 1)], 3);
  assert.equal(active.message, 'the HPA was unable to compute the replica count: gone');
  assert.deepEqual(warnings, [
    { reason: 'FailedGetPodsMetric', message: 'gone' },
    {
      reason: 'FailedComputeMetricsReplicas',
      message: 'invalid metrics (1 invalid out of 2), first error is: in short: gone',
    },
  ]);
  assert.deepEqual(
    statuses.map(({ type }) => type),
    ['', 'Resource'],
  );
});

test('autoscalers of the namespace that select one of the pods are named in order', () => {
  const selecting = (app: string) => ({ matches: (labels: Record<string, string>) => labels.app === app });
  const selectors = [
    ['default/b', selecting('web')],
    ['default/a', selecting('web')],
    ['default/c', selecting('db')],
    ['other/d', selecting('web')],
    ['default-too/e', selecting('web')],
  ] as const;
  const pods = [pod('p', { labels: { app: 'web' } }), pod('q')];
  assert.deepEqual(autoscalersOf(pods, 'default', selectors), ['default/a', 'default/b']);
  assert.deepEqual(autoscalersOf([], 'default', selectors), []);
});

test('what the windows and periods no longer cover is forgotten', () => {
  const spec = { ...target, maxReplicas: 5 };
  const at = (secondsAgo: number) => 1_000_000 - secondsAgo * 1_000;
  const history = {
    recommendations: [299, 301].map((ago) => ({ replicas: 1, atMs: at(ago) })),
    ups: [14, 16].map((ago) => ({ change: 1, atMs: at(ago) })),
    downs: [],
  };
  const scaled = withScaling(recentHistory(spec, history, at(0)), 5, 3, at(0));
  assert.deepEqual(
    [scaled.recommendations.length, scaled.ups.length, scaled.downs],
    [1, 1, [{ change: 2, atMs: at(0) }]],
  );
  const { ups } = withScaling(scaled, 3, 4, at(0));
  assert.deepEqual(ups.at(-1), { change: 1, atMs: at(0) });
});

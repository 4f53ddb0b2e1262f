import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscalerCondition } from '../../api/types/autoscaling-v2.gen.ts';
import {
  evaluated,
  metricsCombined,
  type Report,
  rescaled,
  rescaleFailed,
  scaleRead,
  selectorUnfit,
  statusAfter,
} from './hpa-report.ts';

const now = '2026-01-02T00:00:00Z';
const before = '2026-01-01T00:00:00Z';
const decision = { current: 1, replicas: 3, reason: 'cpu above target', statuses: [{ type: 'Resource' }] };

const brief = ({ type, status, reason, lastTransitionTime }: HorizontalPodAutoscalerCondition) =>
  `${type} ${status} ${reason} since ${lastTransitionTime}`;

test('the status has what was reported last, and counts from the first', () => {
  const { conditions, ...sizes } = statusAfter(
    undefined,
    [scaleRead, rescaled(decision), evaluated(decision, now)],
    now,
  );
  assert.deepEqual(conditions?.map(brief), [`AbleToScale True SucceededRescale since ${now}`]);
  assert.deepEqual(sizes, {
    currentReplicas: 1,
    desiredReplicas: 3,
    currentMetrics: decision.statuses,
    lastScaleTime: now,
  });
});

test('what no report is about stays as it was, and so does the time of a condition that is the same', () => {
  const old = { type: 'AbleToScale', status: 'True', reason: 'ReadyForNewScale', lastTransitionTime: before };
  const status = { currentReplicas: 2, desiredReplicas: 4, lastScaleTime: before, conditions: [old] };
  const { conditions, ...sizes } = statusAfter(status, [scaleRead], now);
  assert.deepEqual(conditions?.map(brief), [`AbleToScale True SucceededGetScale since ${before}`]);
  assert.deepEqual(sizes, { currentReplicas: 2, desiredReplicas: 4, lastScaleTime: before });
});

test('metrics that could not be computed keep their places in the status', () => {
  const combined = {
    active: { status: 'False', reason: 'FailedGetPodsMetric', message: 'gone' },
    statuses: [{ type: '' }, { type: '' }],
    warnings: [],
    asked: undefined,
    isPartial: true,
  } as const;
  const report = metricsCombined({ ...combined, statuses: [...combined.statuses], warnings: [] }, 2);
  const status = {
    currentReplicas: 1,
    desiredReplicas: 2,
    conditions: [],
    currentMetrics: [{ type: 'Pods' }],
  };
  const { currentReplicas, currentMetrics } = statusAfter(status, [scaleRead, report], now);
  assert.deepEqual([currentReplicas, currentMetrics], [2, [{ type: '' }, { type: '' }]]);
});

test('a target that could not be resized shows its metrics, and keeps the size that was wanted before', () => {
  const status = { currentReplicas: 1, desiredReplicas: 2, conditions: [] };
  const report = rescaleFailed(decision, 'denied');
  const { conditions, desiredReplicas, currentMetrics } = statusAfter(status, [scaleRead, report], now);
  assert.deepEqual(conditions?.map(brief), [`AbleToScale False FailedUpdateScale since ${now}`]);
  assert.deepEqual([desiredReplicas, currentMetrics], [2, decision.statuses]);
  assert.deepEqual(
    report.events?.map(({ message }) => message),
    ['New size: 3; reason: cpu above target; error: denied'],
  );
});

test('why pods cannot be told from others is said in the condition and in two events', () => {
  const reasons = ({ conditions, events = [] }: Report) => [
    conditions?.ScalingActive?.reason,
    ...events.map(({ reason }) => reason),
  ];
  const failed = 'FailedComputeMetricsReplicas';
  assert.deepEqual(reasons(selectorUnfit({ type: 'missing' }, 1)), [
    'InvalidSelector',
    'SelectorRequired',
    failed,
  ]);
  const shared = { type: 'ambiguous', selector: 'app=a', autoscalers: ['n/a', 'n/b'] } as const;
  assert.deepEqual(reasons(selectorUnfit(shared, 1)), ['AmbiguousSelector', 'AmbiguousSelector', failed]);
});

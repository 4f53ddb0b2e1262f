import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { KubeObject } from '../meta.ts';
import type { HorizontalPodAutoscaler } from '../types/autoscaling-v2.gen.ts';
import { fromV1, toV1, toV2beta1 } from './old-versions.ts';

function autoscaler(): HorizontalPodAutoscaler {
  return sparse<HorizontalPodAutoscaler>({
    metadata: { name: 'h' },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd' },
      maxReplicas: 3,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 40 } },
        },
        {
          type: 'Pods',
          pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } },
        },
      ],
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: 60,
          policies: [{ type: 'Pods', value: 1, periodSeconds: 5 }],
          tolerance: '50m',
        },
      },
    },
    status: { currentReplicas: 1, desiredReplicas: 1, conditions: [{ type: 'AbleToScale', status: 'True' }] },
  });
}

test('fields that v1 lacks are kept in annotations', () => {
  const old = toV1(autoscaler()) as unknown as {
    metadata: { annotations: Record<string, string> };
    spec: Record<string, unknown>;
  };
  assert.equal(old.spec.targetCPUUtilizationPercentage, 40);
  assert.equal(old.spec.metrics, undefined);
  assert.deepEqual(Object.keys(old.metadata.annotations).sort(), [
    'autoscaling.alpha.kubernetes.io/behavior',
    'autoscaling.alpha.kubernetes.io/conditions',
    'autoscaling.alpha.kubernetes.io/metrics',
  ]);
  const back = fromV1(old as unknown as KubeObject) as HorizontalPodAutoscaler;
  assert.equal('annotations' in back.metadata, false);
  assert.deepEqual(
    back.spec.metrics!.map(({ type }) => type),
    ['Pods', 'Resource'],
  );
  assert.deepEqual(back.spec.behavior, autoscaler().spec.behavior);
  assert.equal(back.status!.conditions![0]!.type, 'AbleToScale');
});

test('annotations that hold no JSON stay what they are', () => {
  const object = autoscaler();
  object.metadata.annotations = { 'autoscaling.alpha.kubernetes.io/metrics': '{' };
  const stored = fromV1(object);
  assert.equal(stored.metadata.annotations!['autoscaling.alpha.kubernetes.io/metrics'], '{');
});

test('v2beta1 lists the metric on cpu last', () => {
  const old = toV2beta1(autoscaler()) as unknown as { spec: { metrics: { type: string }[] }; status: object };
  assert.deepEqual(
    old.spec.metrics.map(({ type }) => type),
    ['Pods', 'Resource'],
  );
  assert.equal((old.status as { currentMetrics: null }).currentMetrics, null);
});

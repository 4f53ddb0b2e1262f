import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler } from '../resources.gen.ts';
import { horizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';

const { cell } = horizontalPodAutoscalerKind.columns!.find(({ name }) => name === 'Targets')!;

function targets(metrics: object[], currentMetrics: object[] = [], apiVersion = 'autoscaling/v2'): unknown {
  const autoscaler = { metadata: { name: 'a' }, spec: { metrics }, status: { currentMetrics } };
  return cell(autoscaler as unknown as HorizontalPodAutoscaler, { nowMs: 0, apiVersion });
}

const utilization = (name: string, averageUtilization: number | undefined) => ({
  type: 'Resource',
  resource: { name, target: { type: 'Utilization', averageUtilization } },
});

test('targets tell current and wanted values', () => {
  const current = { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 10 } } };
  assert.equal(targets([]), '<none>');
  assert.equal(targets([utilization('cpu', 50)]), 'cpu: <unknown>/50%');
  assert.equal(targets([utilization('cpu', 50)], [current]), 'cpu: 10%/50%');
  for (const version of ['v1', 'v2beta1', 'v2beta2'])
    assert.equal(targets([utilization('cpu', 50)], [current], `autoscaling/${version}`), '10%/50%');
  assert.equal(targets([utilization('cpu', undefined)]), 'cpu: <unknown>/<auto>');
  const memory = { name: 'memory', container: 'c', target: { type: 'AverageValue', averageValue: '100Mi' } };
  assert.equal(
    targets([{ type: 'ContainerResource', containerResource: memory }]),
    'memory: <unknown>/100Mi',
  );
  const external = { type: 'External', external: { target: { type: 'AverageValue', averageValue: '5' } } };
  assert.equal(targets([external]), '<unknown>/5 (avg)');
  const three = [utilization('cpu', 1), utilization('memory', 2), external];
  assert.equal(targets(three), 'cpu: <unknown>/1%, memory: <unknown>/2% + 1 more...');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HorizontalPodAutoscaler } from '../resources.gen.ts';
import { targetsCell } from './horizontal-pod-autoscaler.ts';

const utilization = { type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 50 } } };
const average = { type: 'Resource', resource: { name: 'memory', target: { averageValue: '100Mi' } } };
const ofContainer = {
  type: 'ContainerResource',
  containerResource: { name: 'cpu', container: 'web', target: { averageUtilization: 60 } },
};
const perPod = { type: 'Pods', pods: { metric: { name: 'hits' }, target: { averageValue: '10' } } };
const external = { type: 'External', external: { metric: { name: 'queue' }, target: { averageValue: '3' } } };

const rows: [metrics: object[], current: object[], cell: string][] = [
  [[], [], '<none>'],
  [[utilization], [], 'cpu: <unknown>/50%'],
  [[utilization], [{ type: 'Resource', resource: { current: { averageUtilization: 7 } } }], 'cpu: 7%/50%'],
  [[average], [{ type: 'Resource', resource: { current: { averageValue: '5Mi' } } }], 'memory: 5Mi/100Mi'],
  [[ofContainer], [], 'cpu: <unknown>/60%'],
  [[perPod], [], '<unknown>/10'],
  [[external], [], '<unknown>/3 (avg)'],
  [[utilization, average, perPod], [], 'cpu: <unknown>/50%, memory: <unknown>/100Mi + 1 more...'],
];

test('the targets name the resource, and show what is and what is wanted', () => {
  for (const [metrics, currentMetrics, cell] of rows) {
    const autoscaler = { spec: { metrics }, status: { currentMetrics } };
    assert.equal(targetsCell(autoscaler as unknown as HorizontalPodAutoscaler), cell);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/resources.gen.ts';
import { findResizeProblem, sameResources, withResources } from './resize.ts';
import { testPod } from './test-pod.ts';

const asking = (cpu: string, memory = '1Mi'): Pod =>
  testPod({ containers: [{ name: 'c', resources: { requests: { cpu, memory } } }] });
const allocatable = { cpu: '2', memory: '1Gi', pods: '10' };

const rows: [name: string, pod: Pod, others: Pod[], reason: string | undefined, message?: string][] = [
  ['fits', asking('1'), [asking('1')], undefined],
  [
    'is more than the node has',
    asking('3'),
    [],
    'Infeasible',
    "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
  ],
  [
    'is more memory than the node has',
    asking('1', '2Gi'),
    [],
    'Infeasible',
    "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824",
  ],
  [
    'must wait for others',
    asking('1500m'),
    [asking('1')],
    'Deferred',
    "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
];
for (const [name, pod, others, reason, message] of rows) {
  test(`a resize that ${name} is ${reason ?? 'granted'}`, () => {
    const problem = findResizeProblem(pod, { allocatable, others });
    assert.equal(problem?.reason, reason);
    assert.equal(problem?.message, message);
  });
}

test('until it is granted, a pod stands as it was', () => {
  const before = asking('1').spec.containers[0]!.resources!;
  const pod = withResources(asking('3'), new Map([['c', before]]));
  assert.equal(sameResources(pod.spec.containers[0]!.resources, before), true);
  assert.equal(sameResources(before, { requests: { cpu: '1' } }), false);
});

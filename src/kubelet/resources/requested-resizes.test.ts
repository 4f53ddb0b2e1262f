import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '../../api/types/core-v1.gen.ts';
import { testPod } from '../pod.fixture.ts';
import { requestedResizes } from './requested-resizes.ts';

const podWith = (resources: core.ResourceRequirements, more: Partial<core.PodSpec> = {}) =>
  testPod({ containers: [{ name: 'c', resources }], ...more });

const rows: [before: core.ResourceRequirements, after: core.ResourceRequirements, asked: string[]][] = [
  [{ requests: { cpu: '1' } }, { requests: { cpu: '1000m' } }, []],
  [{ requests: { cpu: '1' } }, { requests: { cpu: '2' } }, ['cpu requests increase']],
  [{ limits: { memory: '1Gi' } }, { limits: { memory: '512Mi' } }, ['memory limits decrease']],
  [
    { requests: { cpu: '1' } },
    { requests: { cpu: '1', memory: '1Mi' }, limits: { cpu: '2' } },
    ['memory requests add', 'cpu limits add'],
  ],
  [{ limits: { cpu: '1' } }, { limits: { cpu: '0' } }, ['cpu limits remove']],
  [{ requests: { 'ephemeral-storage': '1' } }, { requests: { 'ephemeral-storage': '2' } }, []],
];
for (const [before, after, asked] of rows)
  test(`from ${JSON.stringify(before)} to ${JSON.stringify(after)} a pod asks for ${asked.join(', ') || 'nothing'}`, () => {
    const resizes = requestedResizes(podWith(before), podWith(after));
    assert.deepEqual(
      resizes.map(({ resource, requirement, operation }) => `${resource} ${requirement} ${operation}`),
      asked,
    );
  });

test('sidecars can ask for other resources, init containers cannot', () => {
  const withInit = (cpu: string) =>
    podWith(
      {},
      {
        initContainers: [
          { name: 'i', resources: { requests: { cpu } } },
          { name: 's', restartPolicy: 'Always', resources: { requests: { cpu } } },
        ],
      },
    );
  assert.deepEqual(requestedResizes(withInit('1'), withInit('2')), [
    { resource: 'cpu', requirement: 'requests', operation: 'increase' },
  ]);
});

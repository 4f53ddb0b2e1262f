import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../resources.gen.ts';
import type { ResourceRequirements } from '../../types/core-v1.gen.ts';
import { podKind } from '../pod.ts';

type Row = [
  what: string,
  pod: ResourceRequirements,
  containers: ResourceRequirements[],
  expected: ResourceRequirements,
];

const rows: Row[] = [
  [
    'limits alone are requests too',
    { limits: { cpu: '1' } },
    [],
    { limits: { cpu: '1' }, requests: { cpu: '1' } },
  ],
  [
    'containers that request something are summed up',
    { limits: { cpu: '2', memory: '1Gi' } },
    [{ requests: { cpu: '500m' } }, { requests: { cpu: '250m' } }],
    { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '750m', memory: '1Gi' } },
  ],
  [
    'what the pod does not limit counts as well',
    { requests: { memory: '1Gi' }, limits: { memory: '2Gi' } },
    [{ requests: { cpu: '5' } }],
    { requests: { memory: '1Gi', cpu: '5' }, limits: { memory: '2Gi' } },
  ],
  [
    'requests without limits stay as they are',
    { requests: { cpu: '1' } },
    [{ requests: { memory: '1Gi' } }],
    { requests: { cpu: '1' } },
  ],
  [
    'huge pages are limited to those of the containers',
    { requests: { cpu: '1' } },
    [{ limits: { 'hugepages-2Mi': '4Mi', cpu: '1' } }],
    { requests: { cpu: '1', 'hugepages-2Mi': '4Mi' }, limits: { 'hugepages-2Mi': '4Mi' } },
  ],
  ['nothing stays nothing', {}, [{ requests: { cpu: '1' }, limits: { cpu: '1' } }], {}],
];

for (const [what, resources, containers, expected] of rows)
  test(`amounts of a pod as a whole: ${what}`, () => {
    const pod = {
      metadata: { name: 'p' },
      spec: {
        resources,
        containers: containers.map((own, index) => ({ name: `c${index}`, image: 'i', resources: own })),
      },
    } as unknown as Pod;
    podKind.defaults!(pod);
    assert.deepEqual(pod.spec.resources, expected);
  });

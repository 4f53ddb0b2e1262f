import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../types/core-v1.gen.ts';
import { validateResize } from './resize.ts';

function pod(spec: object, more: object = {}): Pod {
  return { metadata: { name: 'p' }, spec, ...more } as Pod;
}
function sized(requests: object, limits: object = {}, more: object = {}): Pod {
  return pod({ containers: [{ name: 'c', image: 'i', resources: { requests, limits } }], ...more });
}
function policed(restartPolicy: string): Pod {
  const resizePolicy = [{ resourceName: 'cpu', restartPolicy }];
  return pod({
    containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } }, resizePolicy }],
  });
}
function withInit(cpu: string, restartPolicy?: string, more: object = {}): Pod {
  const init = {
    name: 'i',
    image: 'i',
    resources: { requests: { cpu } },
    ...(restartPolicy && { restartPolicy }),
    ...more,
  };
  return sized({ cpu: '1' }, {}, { initContainers: [init] });
}
const named = (...names: string[]) => pod({ containers: names.map((name) => ({ name, image: 'i' })) });
const mirror = { metadata: { name: 'p', annotations: { 'kubernetes.io/config.mirror': 'x' } } };

const rows: [what: string, from: Pod, to: Pod, errors: string[]][] = [
  ['more cpu', sized({ cpu: '1' }), sized({ cpu: '2' }), []],
  ['a limit that was not there', sized({ cpu: '1' }), sized({ cpu: '1' }, { cpu: '2' }), []],
  [
    'no memory any more',
    sized({ cpu: '1', memory: '1Mi' }),
    sized({ cpu: '1' }),
    ['spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed'],
  ],
  [
    'no limit any more',
    sized({ cpu: '1' }, { cpu: '2' }),
    sized({ cpu: '1' }),
    ['spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed'],
  ],
  [
    'more of a device',
    sized({ cpu: '1', 'a.b/c': '1' }),
    sized({ cpu: '1', 'a.b/c': '2' }),
    ['spec: Forbidden: only cpu and memory resources are mutable'],
  ],
  [
    'another policy',
    sized({ cpu: '1' }),
    policed('RestartContainer'),
    ['spec: Forbidden: only cpu and memory resources are mutable'],
  ],
  [
    'another node',
    sized({ cpu: '1' }),
    sized({ cpu: '1' }, {}, { nodeName: 'n' }),
    ['spec: Forbidden: only cpu and memory resources are mutable'],
  ],
  [
    'another class',
    sized({}),
    sized({ cpu: '1' }),
    ['spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing'],
  ],
  [
    'containers in another order',
    named('a', 'b'),
    named('b', 'a'),
    ['a', 'b'].map(
      (_, index) =>
        `spec.containers[${index}].name: Forbidden: containers may not be renamed or reordered on resize`,
    ),
  ],
  [
    'one container more',
    named('a'),
    named('a', 'b'),
    ['spec.containers: Forbidden: containers may not be added or removed on resize'],
  ],
  ['a larger sidecar', withInit('1', 'Always'), withInit('2', 'Always'), []],
  ['a larger init container', withInit('1'), withInit('2'), []],
  [
    'another image of an init container',
    withInit('1'),
    withInit('1', undefined, { image: 'j' }),
    [
      'spec.initContainers[0]: Forbidden: only cpu and memory resources for init or sidecar containers are mutable',
    ],
  ],
  [
    'a larger init container that would start anew',
    withInit('1', undefined, { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }),
    withInit('2', undefined, { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] }),
    [
      'spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized',
    ],
  ],
  [
    'a static pod',
    pod(sized({ cpu: '1' }).spec, mirror),
    sized({ cpu: '2' }),
    [': Forbidden: static pods cannot be resized'],
  ],
  [
    'more for the pod as a whole',
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2' } } }),
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '3' } } }),
    [],
  ],
  [
    'nothing for the pod as a whole any more',
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2', memory: '1Mi' } } }),
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2' } } }),
    ['spec.resources.requests: Forbidden: pod-level resource requests cannot be removed'],
  ],
  [
    'large pages for the pod as a whole',
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2', 'hugepages-2Mi': '2Mi' } } }),
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2', 'hugepages-2Mi': '4Mi' } } }),
    ['spec: Forbidden: only cpu and memory resources are mutable at pod-level'],
  ],
  [
    'amounts for the pod as a whole, which had none',
    sized({ cpu: '1' }),
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2' }, limits: { cpu: '3' } } }),
    [],
  ],
  [
    'large pages for the pod as a whole, which had none',
    sized({ cpu: '1' }),
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2', 'hugepages-2Mi': '2Mi' } } }),
    ['spec: Forbidden: only cpu and memory resources are mutable at pod-level'],
  ],
  [
    'no amounts for the pod as a whole any more',
    sized({ cpu: '1' }, {}, { resources: { requests: { cpu: '2' } } }),
    sized({ cpu: '1' }),
    ['spec.resources: Forbidden: pod-level resources cannot be removed'],
  ],
  [
    'Windows',
    sized({ cpu: '1' }, {}, { os: { name: 'windows' } }),
    sized({ cpu: '2' }, {}, { os: { name: 'windows' } }),
    [': Forbidden: windows pods cannot be resized'],
  ],
  [
    'a node that does not tell what runs',
    pod(sized({ cpu: '1' }).spec, { status: { containerStatuses: [{ name: 'c', state: { running: {} } }] } }),
    sized({ cpu: '2' }),
    ['spec: Forbidden: Pod running on node without support for resize'],
  ],
];
for (const [what, from, to, errors] of rows)
  test(`a resize with ${what} is ${errors.length === 0 ? 'allowed' : 'refused'}`, () => {
    assert.deepEqual(
      [...validateResize(to, from)].map(({ text }) => text),
      errors,
    );
  });

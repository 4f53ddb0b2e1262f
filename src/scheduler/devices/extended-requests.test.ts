import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePod } from '../objects.fake.ts';
import { planExtendedRequests } from './extended-requests.ts';

const gpu = 'example.com/gpu';
const nic = 'deviceclass.resource.kubernetes.io/nic';

function container(name: string, requests: Record<string, number>, more: object = {}): object {
  const texts = Object.entries(requests).map(([resource, amount]) => [resource, String(amount)]);
  return { name, image: 'i', resources: { requests: Object.fromEntries(texts) }, ...more };
}
const sidecar = { restartPolicy: 'Always' };

interface Case {
  name: string;
  init?: object[];
  containers: object[];
  classes?: [string, string][];
  requests: string[];
  mappings: string[];
}

const cases: Case[] = [
  {
    name: 'a request is named after the positions of its container and of the resource',
    containers: [container('a', { cpu: 1 }), container('b', { cpu: 1, memory: 1, [gpu]: 2 })],
    requests: ['container-1-request-1: 2 of gpu'],
    mappings: ['b uses container-1-request-1'],
  },
  {
    name: 'each container that runs on has its own, sidecars included',
    init: [container('s', { [gpu]: 1 }, sidecar)],
    containers: [container('a', { [gpu]: 1 }), container('b', { [gpu]: 3 })],
    requests: [
      'container-0-request-0: 1 of gpu',
      'container-1-request-0: 1 of gpu',
      'container-2-request-0: 3 of gpu',
    ],
    mappings: [
      's uses container-0-request-0',
      'a uses container-1-request-0',
      'b uses container-2-request-0',
    ],
  },
  {
    name: 'an init container that ends uses what later containers have, and not that of a sidecar before it',
    init: [container('s', { [gpu]: 2 }, sidecar), container('i', { [gpu]: 2 })],
    containers: [container('a', { [gpu]: 1 }), container('b', { [gpu]: 1 }), container('c', { [gpu]: 1 })],
    requests: [
      'container-0-request-0: 2 of gpu',
      'container-2-request-0: 1 of gpu',
      'container-3-request-0: 1 of gpu',
      'container-4-request-0: 1 of gpu',
    ],
    mappings: [
      's uses container-0-request-0',
      'a uses container-2-request-0',
      'b uses container-3-request-0',
      'c uses container-4-request-0',
      'i uses container-2-request-0',
      'i uses container-3-request-0',
    ],
  },
  {
    name: 'of what init containers need beyond that, the largest serves all',
    init: [container('i', { [gpu]: 2 }), container('j', { [gpu]: 4 }), container('k', { [gpu]: 3 })],
    containers: [container('a', { [gpu]: 1 })],
    requests: ['container-1-request-0: 3 of gpu', 'container-3-request-0: 1 of gpu'],
    mappings: [
      'a uses container-3-request-0',
      ...['i', 'j', 'k'].flatMap((name) => [
        `${name} uses container-3-request-0`,
        `${name} uses container-1-request-0`,
      ]),
    ],
  },
  {
    name: 'resources are requested apart, even of the same class',
    containers: [container('a', { [gpu]: 1, [nic]: 2 })],
    classes: [
      [gpu, 'nic'],
      [nic, 'nic'],
    ],
    requests: ['container-0-request-0: 2 of nic', 'container-0-request-1: 1 of nic'],
    mappings: ['a uses container-0-request-0', 'a uses container-0-request-1'],
  },
  {
    name: 'what no device is to provide is left out, and so is nothing of a resource',
    containers: [container('a', { [nic]: 2, [gpu]: 0 })],
    requests: [],
    mappings: [],
  },
];

for (const { name, init = [], containers, classes, ...expected } of cases)
  test(name, () => {
    const pod = makePod('p', { spec: { initContainers: init, containers } });
    const { requests, mappings } = planExtendedRequests(pod, new Map(classes ?? [[gpu, 'gpu']]));
    assert.deepEqual(
      requests.map(({ name, exactly }) => `${name}: ${exactly!.count} of ${exactly!.deviceClassName}`),
      expected.requests,
    );
    assert.deepEqual(
      mappings.map(({ containerName, requestName }) => `${containerName} uses ${requestName}`),
      expected.mappings,
    );
  });

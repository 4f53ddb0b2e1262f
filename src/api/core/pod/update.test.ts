import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodSpec } from '../../types/core-v1.gen.ts';
import { computeQosClass } from './qos.ts';
import { validateEphemeralContainersUpdate, validatePodSpecUpdate } from './update.ts';

function pod(spec: object, container: object = {}): Pod {
  return {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec },
  } as Pod;
}

const requiredTerms =
  'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms';
const inZone = { key: 'zone', operator: 'In', values: ['a'] };

function nodeAffinity(...matchExpressions: object[]): object {
  const nodeSelectorTerms = [{ matchExpressions }];
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
}

const updates: [what: string, from: Pod, to: Pod, fields: string[]][] = [
  ['another image', pod({}), pod({}, { image: 'j' }), []],
  ['no image', pod({}), pod({}, { image: '' }), ['spec.containers[0].image']],
  ['an image with a blank', pod({}), pod({}, { image: 'i ' }), ['spec.containers[0].image']],
  ['another command', pod({}), pod({}, { command: ['x'] }), ['spec']],
  [
    'one more container',
    pod({}),
    pod({
      containers: [
        { name: 'c', image: 'i' },
        { name: 'd', image: 'i' },
      ],
    }),
    ['spec.containers'],
  ],
  ['a shorter deadline', pod({ activeDeadlineSeconds: 9 }), pod({ activeDeadlineSeconds: 8 }), []],
  [
    'a longer deadline',
    pod({ activeDeadlineSeconds: 9 }),
    pod({ activeDeadlineSeconds: 10 }),
    ['spec.activeDeadlineSeconds'],
  ],
  ['no deadline any more', pod({ activeDeadlineSeconds: 9 }), pod({}), ['spec.activeDeadlineSeconds']],
  [
    'one more toleration',
    pod({ tolerations: [{ key: 'a' }] }),
    pod({ tolerations: [{ key: 'a' }, { key: 'b' }] }),
    [],
  ],
  ['one toleration less', pod({ tolerations: [{ key: 'a' }] }), pod({}), ['spec.tolerations']],
  ['a gate less', pod({ schedulingGates: [{ name: 'g' }] }), pod({}), []],
  ['a gate more', pod({}), pod({ schedulingGates: [{ name: 'g' }] }), ['spec.schedulingGates[0].name']],
  [
    'a node selector while gated',
    pod({ schedulingGates: [{ name: 'g' }] }),
    pod({ schedulingGates: [{ name: 'g' }], nodeSelector: { a: 'b' } }),
    [],
  ],
  [
    'another node selector while gated',
    pod({ schedulingGates: [{ name: 'g' }], nodeSelector: { a: 'b' } }),
    pod({ schedulingGates: [{ name: 'g' }], nodeSelector: { a: 'c' } }),
    ['spec.nodeSelector'],
  ],
  [
    'more asked of its nodes while gated',
    pod({ schedulingGates: [{ name: 'g' }], affinity: nodeAffinity(inZone) }),
    pod({
      schedulingGates: [{ name: 'g' }],
      affinity: nodeAffinity(inZone, { key: 'b', operator: 'Exists' }),
    }),
    [],
  ],
  [
    'less asked of its nodes while gated',
    pod({ schedulingGates: [{ name: 'g' }], affinity: nodeAffinity(inZone) }),
    pod({ schedulingGates: [{ name: 'g' }], affinity: nodeAffinity({ key: 'b', operator: 'Exists' }) }),
    [`${requiredTerms}[0]`],
  ],
  [
    'nodes no longer asked for while gated',
    pod({ schedulingGates: [{ name: 'g' }], affinity: nodeAffinity(inZone) }),
    pod({ schedulingGates: [{ name: 'g' }] }),
    [requiredTerms],
  ],
  [
    'other pods to be near to while gated',
    pod({ schedulingGates: [{ name: 'g' }] }),
    pod({
      schedulingGates: [{ name: 'g' }],
      affinity: {
        podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone' }] },
      },
    }),
    ['spec'],
  ],
  ['a node selector', pod({}), pod({ nodeSelector: { a: 'b' } }), ['spec']],
];
for (const [what, from, to, fields] of updates)
  test(`a pod update with ${what} is ${fields.length === 0 ? 'allowed' : 'refused'}`, () => {
    assert.deepEqual(
      [...validatePodSpecUpdate(to, from)].map(({ field }) => field),
      fields,
    );
  });

test('ephemeral containers are added, never changed or taken away', () => {
  const debug = { ephemeralContainers: [{ name: 'd', image: 'i' }] };
  assert.deepEqual([...validateEphemeralContainersUpdate(pod(debug), pod({}))], []);
  assert.equal([...validateEphemeralContainersUpdate(pod({}), pod(debug))].length, 1);
  assert.equal(
    [
      ...validateEphemeralContainersUpdate(
        pod({ ephemeralContainers: [{ name: 'd', image: 'j' }] }),
        pod(debug),
      ),
    ].length,
    1,
  );
});

test('the class of a pod follows from what its containers ask for', () => {
  const classOf = (resources: object, init?: object) =>
    computeQosClass({
      containers: [{ name: 'c', resources }],
      ...(init && { initContainers: [{ name: 'i', resources: init }] }),
    } as PodSpec);
  const whole = { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } };
  assert.equal(classOf({}), 'BestEffort');
  assert.equal(classOf({ limits: { 'a.b/c': '1' } }), 'BestEffort');
  assert.equal(classOf({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(classOf(whole), 'Guaranteed');
  assert.equal(classOf({ ...whole, requests: { cpu: '500m', memory: '1Gi' } }), 'Burstable');
  assert.equal(classOf({ ...whole, requests: {} }), 'Guaranteed');
  assert.equal(classOf({ ...whole, requests: { cpu: '0', memory: '1Gi' } }), 'Burstable');
  assert.equal(classOf(whole, {}), 'Burstable');
  const asWhole = (resources: object) =>
    computeQosClass({ containers: [{ name: 'c', resources: whole }], resources } as PodSpec);
  assert.equal(asWhole({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(asWhole({}), 'BestEffort', 'the containers do not count');
});

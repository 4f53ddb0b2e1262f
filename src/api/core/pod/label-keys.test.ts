import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../resources.gen.ts';
import { podKind } from '../pod.ts';

const labels = { app: 'web', version: '2' };
const selects = (...matchExpressions: object[]) => ({ matchLabels: { app: 'web' }, matchExpressions });
const given = { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'zone' };
const isTwo = { key: 'version', operator: 'In', values: ['2'] };

function created(spec: object): Pod['spec'] {
  const pod = {
    metadata: { name: 'p', labels },
    spec: { containers: [{ name: 'c' }], ...spec },
  } as unknown as Pod;
  podKind.prepareCreate!(pod);
  return pod.spec;
}

test('a new pod has the values of its labels in the selectors whose keys they are', () => {
  const keys = { matchLabelKeys: ['version', 'none'] };
  const { affinity, topologySpreadConstraints } = created({
    affinity: {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ ...given, ...keys }],
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, podAffinityTerm: { ...given, ...keys } },
        ],
      },
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          {
            ...given,
            mismatchLabelKeys: ['version'],
            labelSelector: selects({ key: 'a', operator: 'Exists' }),
          },
        ],
      },
    },
    topologySpreadConstraints: [{ ...given, ...keys }],
  });
  const wanted = { ...given, ...keys, labelSelector: selects(isTwo) };
  assert.deepEqual(affinity, {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [wanted],
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: wanted }],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          ...given,
          mismatchLabelKeys: ['version'],
          labelSelector: selects({ key: 'a', operator: 'Exists' }, { ...isTwo, operator: 'NotIn' }),
        },
      ],
    },
  });
  assert.deepEqual(topologySpreadConstraints, [wanted]);
});

test('selectors that are absent stay so, and so do those without keys that the pod has', () => {
  const constraints = [
    { topologyKey: 'a', matchLabelKeys: ['version'] },
    { ...given, matchLabelKeys: ['none', 'toString'] },
    given,
  ];
  assert.deepEqual(
    created({ topologySpreadConstraints: structuredClone(constraints) }).topologySpreadConstraints,
    constraints,
  );
});

test('a key that the selector names as well is refused, since it then stands there twice', () => {
  const spec = created({
    affinity: {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [{ ...given, matchLabelKeys: ['app'] }],
      },
    },
  });
  const pod = { metadata: { name: 'p', labels }, spec: { ...spec, containers: [{ name: 'c', image: 'i' }] } };
  podKind.defaults!(pod as unknown as Pod);
  assert.deepEqual(
    [...podKind.validate(pod as unknown as Pod, { subresource: '', isUpdate: false })].map(
      ({ text }) => text,
    ),
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0][0]: Invalid value: "app": exists in both matchLabelKeys and labelSelector',
    ],
  );
});

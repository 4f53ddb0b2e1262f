import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectMeta } from '../meta.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../resources.gen.ts';
import { findVolume, isAllowedTopology } from './volume-binding.ts';

const metadata = (name: string): ObjectMeta => ({
  name,
  namespace: 'n',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: '',
});

function volume(
  name: string,
  storage: string,
  accessModes: NonNullable<PersistentVolume['spec']>['accessModes'],
  more: object = {},
) {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: metadata(name),
    spec: { capacity: { storage }, accessModes, ...more },
    status: { phase: 'Available' },
  } as PersistentVolume;
}

const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: metadata('c'),
  spec: {
    accessModes: ['ReadWriteOnce'],
    storageClassName: '',
    resources: { requests: { storage: '1Gi' } },
  },
} as PersistentVolumeClaim;

const once: ['ReadWriteOnce'] = ['ReadWriteOnce'];
const many: ['ReadWriteOnce', 'ReadOnlyMany'] = ['ReadWriteOnce', 'ReadOnlyMany'];

const cases: [what: string, volumes: PersistentVolume[], chosen: string | undefined][] = [
  [
    'the smallest that fits',
    [volume('l', '9Gi', once), volume('m', '2Gi', once), volume('s', '1Mi', once)],
    'm',
  ],
  ['fewer modes before less space', [volume('m', '2Gi', many), volume('l', '9Gi', once)], 'l'],
  ['the smallest of those with as many modes', [volume('l', '9Gi', many), volume('m', '2Gi', many)], 'm'],
  ['more modes when no other is there', [volume('m', '2Gi', many), volume('s', '1Mi', once)], 'm'],
  ['none without the mode', [volume('x', '2Gi', ['ReadWriteMany'])], undefined],
  [
    'the one that names the claim, however large and however many its modes',
    [volume('m', '2Gi', once), volume('l', '9Gi', many, { claimRef: { namespace: 'n', name: 'c' } })],
    'l',
  ],
  [
    'none that names it but lacks the mode',
    [volume('x', '2Gi', ['ReadWriteMany'], { claimRef: { namespace: 'n', name: 'c' } })],
    undefined,
  ],
];

for (const [what, volumes, chosen] of cases)
  test(`a claim gets ${what}`, () => {
    assert.equal(findVolume(claim, volumes, { isDelayed: false })?.metadata.name, chosen);
  });

test('on a node the smallest is taken, whatever its modes', () => {
  const volumes = [volume('l', '9Gi', once), volume('m', '2Gi', many)];
  const node = { metadata: { name: 'a', labels: {} } } as never;
  assert.equal(findVolume(claim, volumes, { isDelayed: true, node })?.metadata.name, 'm');
});

const zone = (...values: string[]) => ({ key: 'zone', values });
for (const [what, allowedTopologies, labels, expected] of [
  ['of a class without topologies', undefined, {}, true],
  ['with an allowed value', [{ matchLabelExpressions: [zone('a', 'b')] }], { zone: 'b' }, true],
  ['with another value', [{ matchLabelExpressions: [zone('a')] }], { zone: 'b' }, false],
  ['without the label', [{ matchLabelExpressions: [zone('a')] }], {}, false],
  [
    'that matches the second term',
    [{ matchLabelExpressions: [zone('a')] }, { matchLabelExpressions: [zone('b')] }],
    { zone: 'b' },
    true,
  ],
  [
    'that matches half a term',
    [{ matchLabelExpressions: [zone('a'), { key: 'rack', values: ['1'] }] }],
    { zone: 'a' },
    false,
  ],
  ['of a class with an empty term', [{}], {}, false],
] as const)
  test(`a volume ${expected ? 'may' : 'must not'} be made on a node ${what}`, () => {
    const storageClass = { allowedTopologies } as Parameters<typeof isAllowedTopology>[0];
    assert.equal(isAllowedTopology(storageClass, labels), expected);
  });

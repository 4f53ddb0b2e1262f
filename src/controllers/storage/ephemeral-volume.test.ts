import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PersistentVolumeClaim, Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planEphemeralClaims } from './ephemeral-volume.ts';

const owner = {
  apiVersion: 'v1',
  kind: 'Pod',
  name: 'web',
  uid: 'u1',
  controller: true,
  blockOwnerDeletion: true,
};
const spec = { accessModes: ['ReadWriteOnce'] as const };
const template = { metadata: { labels: { tier: 'x' } }, spec };
const pod = (metadata: object = {}) =>
  sparse<Pod>({
    metadata: { name: 'web', namespace: 'default', uid: 'u1', ...metadata },
    spec: {
      volumes: [
        { name: 'tmp', emptyDir: {} },
        { name: 'data', ephemeral: { volumeClaimTemplate: template } },
      ],
    },
  });
const claim = (uid: string) =>
  sparse<PersistentVolumeClaim>({ metadata: { name: 'web-data', ownerReferences: [{ ...owner, uid }] } });

test('an ephemeral volume gets a claim that belongs to its pod', () => {
  const metadata = {
    name: 'web-data',
    namespace: 'default',
    ownerReferences: [owner],
    labels: { tier: 'x' },
  };
  assert.deepEqual(
    planEphemeralClaims(pod(), () => undefined),
    [{ volume: 'data', create: { metadata, spec } }],
  );
});

for (const [what, given, present, steps] of [
  ['has its claim', pod(), claim('u1'), []],
  ['is being deleted', pod({ deletionTimestamp: '2026-01-01T00:00:00Z' }), undefined, []],
  ['finds the claim of an earlier pod', pod(), claim('u0'), [{ volume: 'data', foreign: 'web-data' }]],
] as const)
  test(`a pod that ${what} gets none: ${JSON.stringify(steps)}`, () => {
    const claims: Record<string, PersistentVolumeClaim | undefined> = { 'default/web-data': present };
    assert.deepEqual(
      planEphemeralClaims(given, (key) => claims[key]),
      steps,
    );
  });

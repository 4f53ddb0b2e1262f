import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { planProtection } from './protection.ts';
import { holdsClaim } from './pvc-protection.ts';

const deletionTimestamp = '2026-01-01T00:00:00Z';

for (const [what, metadata, step] of [
  ['that is new', { finalizers: ['x'] }, { act: 'protect', finalizers: ['x', 'p'] }],
  ['that has none', {}, { act: 'protect', finalizers: ['p'] }],
  ['that is protected', { finalizers: ['p'] }, undefined],
  ['that goes', { finalizers: ['p', 'x'], deletionTimestamp }, { act: 'releaseIfUnused', finalizers: ['x'] }],
  ['that goes without it', { finalizers: ['x'], deletionTimestamp }, undefined],
] as const)
  test(`protection of an object ${what}: ${step?.act ?? 'nothing to do'}`, () => {
    assert.deepEqual(planProtection(sparse<KubeObject['metadata']>(metadata), 'p'), step);
  });

const pod = (nodeName: string | undefined, more: object = {}) =>
  sparse<Pod>({
    metadata: { name: 'p', namespace: 'default', ...more },
    spec: { nodeName, volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
  });

for (const [what, given, key, holds] of [
  ['on a node', pod('n'), 'default/data', true],
  ['without a node', pod(undefined), 'default/data', false],
  ['that uses another claim', pod('n'), 'default/other', false],
  ['on its way out', pod('n', { deletionTimestamp }), 'default/data', true],
] as const)
  test(`a pod ${what} ${holds ? 'holds' : 'does not hold'} the claim`, () => {
    assert.equal(holdsClaim(given, key), holds);
  });

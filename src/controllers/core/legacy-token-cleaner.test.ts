import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayMs } from '../../api/core/legacy-token.ts';
import type { Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { isTrackedLongEnough, planToken } from './legacy-token-cleaner.ts';

const nowMs = Date.parse('2030-06-15T12:00:00Z');
const used = 'kubernetes.io/legacy-token-last-used';
const invalid = 'kubernetes.io/legacy-token-invalid-since';
const secret = (labels: Record<string, string>, more: object = {}) =>
  sparse<Secret>({
    metadata: { name: 's', namespace: 'n', creationTimestamp: '2020-01-01T00:00:00Z', labels, ...more },
  });
const account = sparse<ServiceAccount>({
  metadata: { name: 'a', namespace: 'n', uid: 'u' },
  secrets: [{ name: 's' }],
});
const asked = sparse<ServiceAccount>({ metadata: { name: 'a', namespace: 'n', uid: 'u' } });

for (const [what, given, owner, isMounted, expected] of [
  ['never used', secret({}), account, false, 'invalidate'],
  ['used a year and a day ago', secret({ [used]: '2029-06-14' }), account, false, 'invalidate'],
  ['used a year ago', secret({ [used]: '2029-06-15' }), account, false, 'keep'],
  ['with a note that cannot be read', secret({ [used]: '2029-02-30' }), account, false, 'keep'],
  ['made within a year', secret({}, { creationTimestamp: '2029-07-01T00:00:00Z' }), account, false, 'keep'],
  [
    'that is being deleted',
    secret({}, { deletionTimestamp: '2030-01-01T00:00:00Z' }),
    account,
    false,
    'keep',
  ],
  ['of a pod', secret({}), account, true, 'keep'],
  ['that someone asked for', secret({}), asked, false, 'keep'],
  ['without an account', secret({}), undefined, false, 'keep'],
  [
    'of an earlier account',
    secret({}, { annotations: { 'kubernetes.io/service-account.uid': 'v' } }),
    account,
    false,
    'keep',
  ],
  ['invalid for a year', secret({ [invalid]: '2029-06-15' }), account, false, 'keep'],
  ['invalid for longer', secret({ [invalid]: '2029-06-14' }), account, false, 'delete'],
  ['invalid since some time', secret({ [invalid]: 'x' }), account, false, 'invalidate'],
] as const)
  test(`a token ${what}: ${expected}`, () => {
    assert.equal(planToken(given, { account: owner, isMounted: () => isMounted, nowMs }), expected);
  });

test('nothing follows from missing notes before they were taken for a year', () => {
  assert.equal(isTrackedLongEnough(undefined, nowMs), false);
  assert.equal(isTrackedLongEnough('yesterday', nowMs), false);
  const startMs = Date.parse('2029-01-01T00:00:00Z');
  assert.equal(isTrackedLongEnough('2029-01-01', startMs + 366 * dayMs - 1), false);
  assert.equal(isTrackedLongEnough('2029-01-01', startMs + 366 * dayMs), true);
});

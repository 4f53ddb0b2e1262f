import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dayMs } from '../../api/core/legacy-token.ts';
import type { Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { isTrackedLongEnough, planToken, runLegacyTokenCleaner } from './legacy-token-cleaner.ts';

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

test('a day on which the server does not answer is passed over, and the token marked on the next', async () => {
  const clock = new VirtualClock(nowMs);
  const type = 'kubernetes.io/service-account-token';
  const annotations = { 'kubernetes.io/service-account.name': 'a' };
  const token = { ...secret({}, { annotations, uid: 's' }), type };
  let asked = 0;
  const patches: unknown[] = [];
  const warnings: string[] = [];
  const logger = { warn: (message: string) => void warnings.push(message) };
  const stop = new AbortController();
  const running = runLegacyTokenCleaner(
    sparse<ControllerEnvironment>({
      clock,
      logger: sparse({ for: () => sparse(logger) }),
      informers: sparse({
        synced: async () => undefined,
        of: ({ kind }: { kind: string }) =>
          sparse({
            list: () => (kind === 'Secret' ? [token] : []),
            get: () => account,
            inNamespace: () => [],
          }),
      }),
      client: sparse({
        async get() {
          if (++asked === 1) throw new Error('no answer');
          return { data: { since: '2028-01-01' } };
        },
        patch: async (_: unknown, __: unknown, patch: unknown) => void patches.push(patch),
      }),
    }),
    stop.signal,
  );
  await clock.advance(1000);
  assert.deepEqual([patches.length, warnings.length], [0, 1]);
  await clock.advance(dayMs);
  assert.deepEqual(patches, [{ metadata: { uid: 's', labels: { [invalid]: '2030-06-16' } } }]);
  stop.abort();
  await running;
});

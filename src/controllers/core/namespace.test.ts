import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import type { Namespace } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { deletionConditions, isUnexpected, namespaceController, type Remains } from './namespace.ts';

const namespace = (uid: string, more: object = {}) =>
  sparse<Namespace>({
    metadata: { name: 'shop', uid, deletionTimestamp: '2026-01-01T00:00:00Z', ...more },
    spec: { finalizers: ['kubernetes'] },
  });

/** The requests that one reconcile of the namespace makes, where the server has `present` and the cache lags behind. */
async function requestsFor(present: Namespace): Promise<string[]> {
  const requests: string[] = [];
  const client = sparse<Client>({
    get: async () => present,
    raw: async (method: string, path: string) => {
      requests.push(`${method} ${path}`);
      throw new Error('enough is seen');
    },
  });
  const cluster = sparse<ReconcileCluster>({
    get: () => namespace('old'),
    client,
    clock: new VirtualClock(),
  });
  const looking = namespaceController.reconcile('shop', cluster, new AbortController().signal);
  await looking.catch((error: Error) => assert.equal(error.message, 'enough is seen'));
  return requests;
}

test('a namespace that was recreated while the cache still shows the old one keeps its content', async () => {
  assert.deepEqual(await requestsFor(namespace('new', { deletionTimestamp: undefined })), []);
  assert.deepEqual(await requestsFor(namespace('new')), []);
  assert.deepEqual(await requestsFor(namespace('old')), ['GET /apis']);
});

const remains = (more: Partial<Remains>): Remains => ({
  resources: new Map(),
  finalizers: new Map(),
  discoveryFailures: [],
  contentFailures: [],
  ...more,
});

/** What is left; the condition that says so, and its message. */
const rows: [string, Partial<Remains>, string, string][] = [
  [
    'objects',
    {
      resources: new Map([
        ['widgets.example.com', 1],
        ['pods', 2],
      ]),
    },
    'NamespaceContentRemaining SomeResourcesRemain',
    'Some resources are remaining: pods. has 2 resource instances, widgets.example.com has 1 resource instances',
  ],
  [
    'finalizers',
    { finalizers: new Map([['example.com/held', 3]]) },
    'NamespaceFinalizersRemaining SomeFinalizersRemain',
    'Some content in the namespace has finalizers remaining: example.com/held in 3 resource instances',
  ],
  [
    'groups that cannot be learned',
    { discoveryFailures: ['x.io/v1: away', 'y.io/v1: away'] },
    'NamespaceDeletionDiscoveryFailure DiscoveryFailed',
    'Discovery failed for some groups, 2 failing: x.io/v1: away, y.io/v1: away',
  ],
  [
    'what cannot be deleted',
    { contentFailures: ['pods: no'] },
    'NamespaceDeletionContentFailure ContentDeletionFailed',
    'Failed to delete all resource types, 1 remaining: pods: no',
  ],
];
for (const [what, left, condition, message] of rows)
  test(`a namespace that is held up by ${what} says so in one condition`, () => {
    const failed = deletionConditions(namespace('u'), remains(left), 'now').filter(
      ({ status }) => status === 'True',
    );
    assert.deepEqual(
      failed.map(({ type, reason }) => `${type} ${reason}`),
      [condition],
    );
    assert.equal(failed[0]?.message, message);
  });

test('a namespace that is empty has passed all checks, and remembers since when', () => {
  const before = deletionConditions(namespace('u'), remains({ contentFailures: ['x'] }), 'then');
  const given = { ...namespace('u'), status: { conditions: before } };
  const after = deletionConditions(given, remains({}), 'now');
  assert.deepEqual(
    after.map(({ status, lastTransitionTime }) => `${status} ${lastTransitionTime}`),
    ['False then', 'False then', 'False now', 'False then', 'False then'],
  );
});

for (const [what, plural, objects, sinceMs, expected] of [
  ['nothing', 'pods', [], 60_000, false],
  ['pods in their grace period', 'pods', [{ deletionGracePeriodSeconds: 30 }], 29_000, false],
  ['pods after their grace period', 'pods', [{ deletionGracePeriodSeconds: 30 }, {}], 30_000, true],
  ['other objects', 'services', [{}], 0, true],
  ['objects with a finalizer', 'services', [{}, { finalizers: ['x'] }], 60_000, false],
] as const)
  test(`${what} left of a namespace ${expected ? 'should be gone' : 'may take its time'}`, () => {
    const resource = { group: '', plural } as Parameters<typeof isUnexpected>[0];
    const left = objects.map((metadata) => sparse<KubeObject>({ metadata }));
    assert.equal(isUnexpected(resource, left, sinceMs), expected);
  });

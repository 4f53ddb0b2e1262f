import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Namespace } from '../../api/resources.gen.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { namespaceController } from './namespace.ts';

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

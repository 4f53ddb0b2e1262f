import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceType } from '../../api/meta.ts';
import { ConfigMap, type ResourceQuota } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { resourceQuotaController } from './resource-quota.ts';

const away = new StatusError(503, 'ServiceUnavailable', 'the server is away');
const quota = sparse<ResourceQuota>({
  metadata: { name: 'q', namespace: 'default', uid: 'q', resourceVersion: '1' },
  spec: { hard: { 'count/widgets.x.io': '5', 'count/configmaps': '5' } },
  status: {
    hard: { 'count/widgets.x.io': '5', 'count/configmaps': '5' },
    used: { 'count/widgets.x.io': '3', 'count/configmaps': '1' },
  },
});
const widgets = { name: 'widgets', kind: 'Widget', namespaced: true, verbs: ['list', 'watch'] };

for (const [what, answer] of [
  ['whose group cannot be learned', () => Promise.reject(away)],
  ['which cannot be listed', async () => ({ resources: [widgets] })],
] as const)
  test(`a quota of what cannot be counted, ${what}, keeps the count and counts the rest`, async () => {
    const written: unknown[] = [];
    const cluster = sparse<ReconcileCluster>({
      clock: new VirtualClock(),
      get: () => quota,
      informer: (type: ResourceType) => ({
        inNamespace: () =>
          type.kind === ConfigMap.kind ? ['a', 'b'].map((name) => ({ metadata: { name } })) : [],
      }),
      client: {
        raw: async (_method: string, path: string) => {
          if (path === '/apis') return { groups: [{ name: 'x.io', versions: [{ version: 'v1' }] }] };
          return path === '/apis/x.io/v1' ? answer() : { resources: [] };
        },
        list: () => Promise.reject(away),
      },
      updateStatus: async (_type: unknown, _quota: unknown, status: { used: unknown }) =>
        void written.push(status.used),
    });
    const { signal } = new AbortController();
    const look = async () => await resourceQuotaController().reconcile('default/q', cluster, signal);
    await assert.rejects(look);
    assert.deepEqual(written, [{ 'count/widgets.x.io': '3', 'count/configmaps': '2' }]);
  });

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { ClusterRole, ConfigMap, Namespace, Secret, ServiceAccount } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';

test('every namespace has its service account and the cluster’s authority, however often they are deleted', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'demo' }, spec: {}, status: {} });
  const account = { namespace: 'demo', name: 'default' };
  const authority = { namespace: 'demo', name: 'kube-root-ca.crt' };
  const isComplete = () =>
    Promise.all([client.get(ServiceAccount, account), client.get(ConfigMap, authority)]).then(
      ([, map]) => map.data?.['ca.crt'] === 'test authority',
      () => false,
    );
  await cluster.until(isComplete, 10_000);
  await client.delete(ServiceAccount, account);
  await client.patch(ConfigMap, authority, { data: { 'ca.crt': 'forged' } }, { type: 'merge' });
  await cluster.until(isComplete, 10_000);
});

test('a namespace goes with all that is in it, and nothing is made in it meanwhile', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Namespace, { metadata: { name: 'demo' }, spec: {}, status: {} });
  await cluster.clock.advance(1_000);
  const held = { name: 'held', namespace: 'demo', finalizers: ['example.com/hold'] };
  await client.create(ConfigMap, { metadata: held });
  await client.create(Secret, { metadata: { name: 'secret', namespace: 'demo' } });
  await client.delete(Namespace, { name: 'demo' });
  await cluster.clock.advance(5_000);
  assert.equal((await client.list(Secret, { namespace: 'demo' })).items.length, 0);
  const { status } = await client.get(Namespace, { name: 'demo' });
  const remaining = status?.conditions?.find(({ type }) => type === 'NamespaceFinalizersRemaining');
  assert.equal(
    remaining?.message,
    'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
  );
  await assert.rejects(
    client.create(ConfigMap, { metadata: { name: 'late', namespace: 'demo' } }),
    /being terminated/,
  );
  await client.patch(ConfigMap, held, { metadata: { finalizers: null } }, { type: 'merge' });
  await cluster.until(
    () =>
      client.get(Namespace, { name: 'demo' }).then(
        () => false,
        () => true,
      ),
    30_000,
  );
});

test('an aggregated role holds the rules of the roles that it selects', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const labels = { 'example.com/aggregate': 'yes' };
  const rule = { apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] };
  await client.create(ClusterRole, {
    metadata: { name: 'whole' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] },
    rules: [],
  } as Draft<ClusterRole>);
  const rules = async () => (await client.get(ClusterRole, { name: 'whole' })).rules ?? [];
  await client.create(ClusterRole, {
    metadata: { name: 'part', labels },
    rules: [rule],
  } as Draft<ClusterRole>);
  await cluster.until(async () => (await rules()).length === 1, 10_000);
  assert.deepEqual(await rules(), [rule]);
  const { managedFields } = (await client.get(ClusterRole, { name: 'whole' })).metadata;
  assert.deepEqual(
    managedFields?.map(({ manager, operation }) => `${manager} ${operation}`),
    ['clusterrole-aggregation-controller Apply', 'test Update'],
  );
  await client.delete(ClusterRole, { name: 'part' });
  await cluster.until(async () => (await rules()).length === 0, 10_000);
});

test('bootstrap tokens sign what the cluster says of itself, and go when their time is over', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  const token = (id: string, endMs: number, usage: string) =>
    client.create(Secret, {
      metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
      type: 'bootstrap.kubernetes.io/token',
      stringData: {
        'token-id': id,
        'token-secret': '0123456789abcdef',
        expiration: new Date(endMs).toISOString(),
        [usage]: 'true',
      },
    });
  await token('aaaaaa', clock.now() + 60_000, 'usage-bootstrap-signing');
  await token('bbbbbb', clock.now() + 3_600_000, 'usage-bootstrap-signing');
  await token('cccccc', clock.now() + 3_600_000, 'usage-bootstrap-authentication');
  const info = { name: 'cluster-info', namespace: 'kube-public' };
  await client.create(ConfigMap, { metadata: info, data: { kubeconfig: 'x' } });
  const names = async () =>
    Object.keys((await client.get(ConfigMap, info)).data ?? {})
      .sort()
      .join();
  await cluster.until(
    async () => (await names()) === 'jws-kubeconfig-aaaaaa,jws-kubeconfig-bbbbbb,kubeconfig',
  );
  await cluster.clock.advance(60_000);
  await cluster.until(async () => (await names()) === 'jws-kubeconfig-bbbbbb,kubeconfig');
  const { items } = await client.list(Secret, { namespace: 'kube-system' });
  assert.deepEqual(items.map(({ metadata }) => metadata.name).sort(), [
    'bootstrap-token-bbbbbb',
    'bootstrap-token-cccccc',
  ]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Service, ServiceCIDR } from '../../src/api/resources.gen.ts';
import { StatusError } from '../../src/api/status.ts';
import { createCluster } from './cluster.ts';

test('a second range of services is ready, gives addresses, and goes when no service has one of them', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: ['servicecidr'] });
  const { client } = cluster;
  await client.create(ServiceCIDR, { metadata: { name: 'more' }, spec: { cidrs: ['10.7.0.0/24'] } });
  const range = () => client.get(ServiceCIDR, { name: 'more' });
  const ready = async () => (await range()).status?.conditions?.find(({ type }) => type === 'Ready');
  await cluster.until(async () => (await ready())?.status === 'True');
  assert.deepEqual((await range()).metadata.finalizers, ['networking.k8s.io/service-cidr-finalizer']);

  const at = { name: 'a', namespace: 'default' };
  await client.create(Service, { metadata: at, spec: { clusterIP: '10.7.0.9', ports: [{ port: 80 }] } });
  await client.delete(ServiceCIDR, { name: 'more' });
  await cluster.until(async () => (await ready())?.status === 'False');
  assert.match((await ready())!.message, /There are still IPAddresses referencing the ServiceCIDR/);
  await cluster.clock.advance(60_000);
  assert.equal((await ready())?.reason, 'Terminating');

  await client.delete(Service, at);
  const isGone = (error: unknown) => error instanceof StatusError && error.code === 404;
  await cluster.until(() => range().then(() => false, isGone));
});

test('of two ranges that go at the same time, the one whose address is in use stays', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: ['servicecidr'] });
  const { client } = cluster;
  const cidrs: Readonly<Record<string, string>> = {
    more: '10.7.0.0/28',
    part: '10.7.0.0/29',
    twin: '10.7.0.0/28',
  };
  const ranges = async () =>
    (await client.list(ServiceCIDR)).items.filter(({ metadata }) => metadata.name in cidrs);
  for (const [name, cidr] of Object.entries(cidrs))
    await client.create(ServiceCIDR, { metadata: { name }, spec: { cidrs: [cidr] } });
  await cluster.until(async () =>
    (await ranges()).every(({ metadata }) => metadata.finalizers?.length === 1),
  );
  const at = { name: 'a', namespace: 'default' };
  await client.create(Service, { metadata: at, spec: { clusterIP: '10.7.0.3', ports: [{ port: 80 }] } });
  for (const name of Object.keys(cidrs)) await client.delete(ServiceCIDR, { name });
  await cluster.clock.advance(60_000);
  assert.deepEqual(
    (await ranges()).map(({ metadata }) => metadata.name),
    ['twin'],
  );
  await client.delete(Service, at);
  await cluster.until(async () => (await ranges()).length === 0);
});

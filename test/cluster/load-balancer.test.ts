import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap, Event, Service } from '../../src/api/resources.gen.ts';
import { StatusError } from '../../src/api/status.ts';
import { type Transport, TransportError } from '../../src/client/transport/transport.ts';
import { createCluster } from './cluster.ts';
import { Gate } from './gate.ts';

test('a service with an address stays until the address is let go, when its type changes and when it is deleted', async () => {
  await using cluster = await createCluster({ nodes: 0, scheduler: false, controllers: ['loadbalancer'] });
  const { client } = cluster;
  const pool = { name: 'load-balancer', namespace: 'kube-system' };
  await client.create(ConfigMap, { metadata: pool, data: { addresses: '10.9.0.1' } });
  const balanced = (name: string) => ({
    metadata: { name, namespace: 'default', finalizers: ['example.com/own'] },
    spec: { type: 'LoadBalancer' as const, ports: [{ port: 80 }] },
  });
  const at = (name: string) => ({ name, namespace: 'default' });
  const a = () => client.get(Service, at('a'));
  const addressOf = async (name: string) =>
    (await client.get(Service, at(name))).status?.loadBalancer?.ingress?.[0]?.ip;

  await client.create(Service, balanced('a'));
  await cluster.until(async () => (await addressOf('a')) === '10.9.0.1');
  const cleanup = 'service.kubernetes.io/load-balancer-cleanup';
  assert.deepEqual((await a()).metadata.finalizers, ['example.com/own', cleanup]);

  await client.patch(Service, at('a'), { spec: { type: 'ClusterIP' } }, { type: 'merge' });
  await cluster.until(async () => !(await a()).metadata.finalizers?.includes(cleanup));
  assert.equal(await addressOf('a'), undefined);
  assert.deepEqual((await a()).metadata.finalizers, ['example.com/own']);

  await client.create(Service, balanced('b'));
  await cluster.until(async () => (await addressOf('b')) === '10.9.0.1');
  await cluster.stopControllers();
  await client.patch(Service, at('b'), { metadata: { finalizers: [cleanup] } }, { type: 'merge' });
  await client.delete(Service, at('b'));
  assert.ok((await client.get(Service, at('b'))).metadata.deletionTimestamp);
  cluster.startControllers();
  const isGone = (error: unknown) => error instanceof StatusError && error.code === 404;
  await cluster.until(() => client.get(Service, at('b')).then(() => false, isGone));
  const reasons = new Set(
    (await client.list(Event, { namespace: 'default' })).items.map(({ reason }) => reason),
  );
  assert.deepEqual([...reasons].sort(), [
    'DeletedLoadBalancer',
    'DeletingLoadBalancer',
    'EnsuredLoadBalancer',
    'EnsuringLoadBalancer',
  ]);
});

test('an address stays given when the answer is lost, before the cache shows it', async () => {
  const gate = new Gate();
  let lost = 0;
  const loseFirstAnswer = (transport: Transport): Transport => ({
    async send(request) {
      const response = await transport.send(request);
      if (request.method === 'PUT' && lost++ === 0) throw new TransportError('the answer was lost');
      return response;
    },
    close: () => transport.close(),
  });
  await using cluster = await createCluster({
    nodes: 0,
    scheduler: false,
    controllers: ['loadbalancer'],
    wrapTransport: (transport) => gate.wrap(loseFirstAnswer(transport)),
  });
  const { client, clock } = cluster;
  const pool = { name: 'load-balancer', namespace: 'kube-system' };
  await client.create(ConfigMap, { metadata: pool, data: { addresses: '10.9.0.1-10.9.0.2' } });
  await clock.advance(1_000);
  gate.hold(Service);
  for (const name of ['a', 'b']) {
    const metadata = { name, namespace: 'default' };
    await client.create(Service, { metadata, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } });
  }
  for (let services = 0; services < 2; services++) gate.letOneThrough();
  await clock.advance(1_000);
  const given = async () =>
    (await client.list(Service, { namespace: 'default' })).items
      .filter(({ spec }) => spec?.type === 'LoadBalancer')
      .map(({ status }) => status?.loadBalancer?.ingress?.[0]?.ip);
  assert.equal(lost > 0, true);
  assert.deepEqual(await given(), ['10.9.0.1', '10.9.0.2']);
  gate.release();
  await clock.advance(60_000);
  assert.deepEqual(await given(), ['10.9.0.1', '10.9.0.2']);
});

test('a service whose address is of an earlier pool gets one of the new pool as soon as there is room', async () => {
  await using cluster = await createCluster({ nodes: 0, scheduler: false, controllers: ['loadbalancer'] });
  const { client } = cluster;
  const pool = { name: 'load-balancer', namespace: 'kube-system' };
  await client.create(ConfigMap, { metadata: pool, data: { addresses: '10.9.0.1-10.9.0.2' } });
  const at = (name: string) => ({ name, namespace: 'default' });
  const has = async (name: string, ip: string) =>
    (await client.get(Service, at(name))).status?.loadBalancer?.ingress?.[0]?.ip === ip;
  for (const [name, ip] of [
    ['a', '10.9.0.1'],
    ['b', '10.9.0.2'],
  ] as const) {
    await client.create(Service, {
      metadata: at(name),
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
    await cluster.until(() => has(name, ip));
  }

  await client.patch(ConfigMap, pool, { data: { addresses: '10.9.0.2' } }, { type: 'merge' });
  const isTold = ({ reason, involvedObject }: Event) =>
    reason === 'SyncLoadBalancerFailed' && involvedObject.name === 'a';
  await cluster.until(async () => (await client.list(Event, { namespace: 'default' })).items.some(isTold));
  assert.ok(await has('b', '10.9.0.2'));
  await client.delete(Service, at('b'));
  await cluster.until(() => has('a', '10.9.0.2'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deployment, EndpointSlice, Endpoints, Event, Node, Service } from '../../src/api/resources.gen.ts';
import { createCluster } from './cluster.ts';
import { deploymentOf } from './workloads.ts';

const namespace = 'default';
const zoneLabel = 'topology.kubernetes.io/zone';

test('hints of slices follow the Service, and the zones that nodes are given', async () => {
  await using cluster = await createCluster({ nodes: 2 });
  const { client } = cluster;
  const [first, second] = cluster.nodes.map(({ name }) => name) as [string, string];
  const label = (name: string, zone: string) =>
    client.patch(Node, { name }, { metadata: { labels: { [zoneLabel]: zone } } }, { type: 'merge' });
  await client.create(Deployment, deploymentOf('web', 4));
  await client.create(Service, {
    metadata: { name: 'web', namespace },
    spec: {
      selector: { app: 'web' },
      ports: [{ port: 80, protocol: 'TCP' }],
      trafficDistribution: 'PreferSameNode',
    },
  });
  const hints = async () => {
    const { items } = await client.list(EndpointSlice, { namespace });
    const names = (list: { name: string }[] | undefined) => list?.map(({ name }) => name).join() ?? '-';
    const all = items.flatMap(({ endpoints }) => endpoints ?? []);
    return all.map(
      (each) => `${each.nodeName} ${names(each.hints?.forZones)} ${names(each.hints?.forNodes)}`,
    );
  };
  /** Every endpoint reads `node zones nodes`. */
  const become = (...wanted: string[]) =>
    cluster.until(async () => [...new Set(await hints())].sort().join('; ') === wanted.join('; '));
  await become(`${first} - ${first}`, `${second} - ${second}`);
  await label(first, 'z1');
  await label(second, 'z2');
  await become(`${first} z1 ${first}`, `${second} z2 ${second}`);
  await client.patch(
    Service,
    { name: 'web', namespace },
    { spec: { trafficDistribution: null } },
    { type: 'merge' },
  );
  await become(`${first} - -`, `${second} - -`);

  const mode = (value: string | null) =>
    client.patch(
      Service,
      { name: 'web', namespace },
      { metadata: { annotations: { 'service.kubernetes.io/topology-mode': value } } },
      { type: 'merge' },
    );
  await mode('Auto');
  await become(`${first} z1 -`, `${second} z2 -`);
  await label(second, 'z1');
  await become(`${first} - -`, `${second} - -`);
  await cluster.until(async () => {
    const { items } = await client.list(Event, { namespace });
    const events = items.filter(({ involvedObject }) => involvedObject.kind === 'Service');
    return ['Enabled', 'Disabled'].every((word) =>
      events.some(({ reason }) => reason === `TopologyAwareHints${word}`),
    );
  });
  await mode(null);
  await become(`${first} - -`, `${second} - -`);
});

test('endpoints carry the time of the change that caused them; those made by hand go with their Service', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const ports = [{ port: 80, protocol: 'TCP' as const }];
  const metadata = (name: string) => ({ name, namespace });
  const empty = await client.create(Service, {
    metadata: metadata('empty'),
    spec: { selector: { a: 'b' }, ports },
  });
  const slices = async () => (await client.list(EndpointSlice, { namespace })).items;
  const ofEmpty = async () => (await slices()).find(({ metadata: { name } }) => name.startsWith('empty-'));
  await cluster.until(async () => (await ofEmpty()) !== undefined);
  assert.deepEqual((await ofEmpty())!.metadata.annotations, {
    'endpoints.kubernetes.io/last-change-trigger-time': empty.metadata.creationTimestamp,
  });

  await client.create(Service, { metadata: metadata('hand'), spec: { ports } });
  await client.create(Endpoints, {
    metadata: metadata('hand'),
    subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }],
  });
  const endpoints = async () =>
    (await client.list(Endpoints, { namespace })).items.map(({ metadata: { name } }) => name);
  await client.create(Endpoints, { metadata: metadata('alone'), subsets: [] });
  await cluster.clock.advance(1_000);
  await client.delete(Service, metadata('hand'));
  await cluster.until(async () => !(await endpoints()).includes('hand'));
  assert.ok((await endpoints()).includes('alone'));
});

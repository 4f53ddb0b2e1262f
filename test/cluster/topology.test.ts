import { test } from 'node:test';
import { Deployment, EndpointSlice, Event, Node, Service } from '../../src/api/resources.gen.ts';
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
    const told = items.filter(({ involvedObject }) => involvedObject.kind === 'Service');
    return ['Enabled', 'Disabled'].every((word) =>
      told.some(({ reason }) => reason === `TopologyAwareHints${word}`),
    );
  });
  await mode(null);
  await become(`${first} - -`, `${second} - -`);
});

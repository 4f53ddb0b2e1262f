import assert from 'node:assert/strict';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before as beforeAll, describe, it } from 'node:test';
import { EndpointSlice, Node, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { removeNodeNetwork } from '../cleanup.ts';
import { createFakeInformers } from '../informers.fake.ts';
import {
  type Answer,
  ask,
  askMany,
  canMakeNetworks,
  type TestMachine,
  TestNetwork,
} from '../network.fixture.ts';
import { startProxy } from '../proxy/proxy.ts';
import { startCni } from './cni.ts';
import { nodeRange, planRoutes } from './plan.ts';

describe('routes to the pods of other nodes', () => {
  it('go by the address of a node on the same link, and through the overlay to others', () => {
    const plan = planRoutes({
      own: { name: 'a', address: '10.0.0.1', podCidr: '10.244.0.0/24' },
      others: [
        { name: 'b', address: '10.0.0.2', podCidr: '10.244.1.0/24' },
        { name: 'c', address: '10.9.0.2', podCidr: '10.244.2.0/24' },
      ],
      clusterCidr: '10.244.0.0/16',
      isOnLink: (address) => address.startsWith('10.0.'),
    });
    assert.deepEqual(plan, {
      overlayAddress: '10.244.0.0',
      routes: [
        { to: '10.244.0.0/16', via: 'unreachable' },
        { to: '10.244.0.0/24', via: 'unreachable' },
        { to: '10.244.1.0/24', via: 'via 10.0.0.2' },
        { to: '10.244.2.0/24', via: 'via 10.244.2.0 dev wherry-vxlan onlink' },
      ],
      peers: [{ gateway: '10.244.2.0', address: '10.9.0.2', hardwareAddress: '02:77:0a:09:00:02' }],
    });
  });
});

describe('what a node says of itself', () => {
  it('is taken only where it is an address: it stands in the commands of all other nodes', () => {
    const saying = (...addresses: string[]) =>
      nodeRange({
        metadata: { name: 'a' },
        spec: { podCIDRs: ['10.244.1.0/24'] },
        status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
      } as Node)?.address;
    assert.equal(saying('fd00::1', '10.0.0.2'), '10.0.0.2');
    for (const odd of ['node.example.com', '10.0.0.2\nlink delete eth0', '::ffff:10.0.0.2'])
      assert.equal(saying(odd), undefined, odd);
  });
});

describe('three nodes, one of them on another link', { skip: !canMakeNetworks }, () => {
  const informers = createFakeInformers();
  const stop = new AbortController();
  const folder = mkdtempSync(join(tmpdir(), 'whnet-cni-'));
  const metrics = () => new MetricsRegistry();
  const common = {
    informers,
    clock: systemClock,
    logger: silentLogger,
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/12',
    ownServiceAddresses: [],
  };
  let network: TestNetwork;
  let host: TestMachine;
  let nodes: TestMachine[];
  let pods: TestMachine[];
  const running: { settled(): Promise<void> }[] = [];

  beforeAll(async () => {
    network = new TestNetwork();
    host = await network.host();
    await host.run('nft', ['-f', '-'], counters);
    nodes = [await network.node(2), await network.node(3), await network.node(4, 'far')];
    pods = [];
    for (const [index, node] of nodes.entries()) {
      informers.put(Node, {
        metadata: { name: node.name },
        spec: { podCIDR: `10.244.${index}.0/24`, podCIDRs: [`10.244.${index}.0/24`] },
        status: { addresses: [{ type: 'InternalIP', address: node.address }] } as Node['status'],
      });
      pods.push(await network.pod(node, `10.244.${index}.11`));
    }
    await Promise.all(pods.map((pod) => network.answer(pod, [8080])));
    for (const node of nodes) await startNode(node);
    informers.put(Service, {
      metadata: { name: 'web' },
      spec: { clusterIP: '10.96.1.1', ports: [{ port: 80 }] },
    });
    informers.put(EndpointSlice, {
      metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: pods.map(({ address }, index) => ({ addresses: [address], nodeName: nodes[index]!.name })),
      ports: [{ port: 8080 }],
    });
    await Promise.all(running.map((each) => each.settled()));
  });
  after(async () => {
    stop.abort();
    await network[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  async function startNode(node: TestMachine): Promise<void> {
    // As a node's name server does: one more address that the kernel might send from.
    await node.run('ip', ['address', 'replace', '10.96.0.10/32', 'dev', 'lo']);
    const settings = join(folder, node.name);
    for (const name of [
      'ip_forward',
      'conf/all/rp_filter',
      'conf/default/rp_filter',
      'conf/all/route_localnet',
      'conf/all/send_redirects',
      'conf/default/send_redirects',
    ]) {
      const path = join(settings, 'net/ipv4', name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '?');
    }
    const cni = await startCni(
      {
        ...common,
        nodeName: node.name,
        nodeAddress: node.address,
        run: node.run,
        settingsFolder: settings,
        configFolder: join(settings, 'net.d'),
        pluginFolder: join(settings, 'bin'),
      },
      stop.signal,
    );
    const proxy = await startProxy(
      { ...common, nodeName: node.name, metrics: metrics(), enter: node.enter },
      stop.signal,
    );
    running.push(cni, proxy);
  }

  const names = (answers: Answer[]) =>
    [...new Set(answers.map((answer) => (typeof answer === 'string' ? answer : answer.from)))].sort();

  it('write a configuration for their own range, and the plugin that it names', () => {
    const config = JSON.parse(readFileSync(join(folder, 'n3', 'net.d', '10-wherry.conflist'), 'utf8'));
    const [plugin] = config.plugins;
    assert.equal(plugin.subnet, '10.244.1.0/24');
    accessSync(join(folder, 'n3', 'bin', plugin.type), constants.X_OK);
    assert.equal(readFileSync(join(folder, 'n3', 'net/ipv4/ip_forward'), 'utf8'), '1');
  });

  it('let every pod reach every other, by its own address', async () => {
    for (const from of pods) {
      for (const to of pods) {
        if (from === to) continue;
        assert.deepEqual(await ask(from, to.address, 8080), { from: to.name, client: from.address });
      }
    }
  });

  it('let nodes reach pods, and pods services, wherever they are', async () => {
    const all = pods.map(({ name }) => name).sort();
    for (const from of [...pods, ...nodes])
      assert.deepEqual(names(await askMany(from, '10.96.1.1', 80, { count: 40 })), all, from.name);
  });

  it('fail at once for addresses that no pod and no node has', async () => {
    for (const address of ['10.244.0.99', '10.244.77.1'])
      assert.equal(await ask(pods[0]!, address, 8080), 'refused');
    assert.equal(await ask(pods[0]!, '10.97.1.1', 80), 'refused');
  });

  it('give the way up when a node goes', async () => {
    informers.remove(Node, 'n4');
    await Promise.all(running.map((each) => each.settled()));
    assert.equal(await ask(pods[0]!, pods[2]!.address, 8080), 'refused');
    assert.doesNotMatch(await nodes[0]!.run('ip', ['link', 'show']), /wherry-vxlan/);
  });

  it('take everything away when a machine stops being a node', async () => {
    const node = nodes[1]!;
    stop.abort();
    await removeNodeNetwork({ nodeAddress: node.address, dnsAddress: '10.96.0.10', run: node.run });
    assert.equal(await node.run('nft', ['list', 'ruleset']), '');
    assert.doesNotMatch(await node.run('ip', ['route']), /proto 119/);
  });

  it('have let nothing for a pod or a service out to the router between them', async () => {
    assert.match(await host.run('nft', ['list', 'counter', 'ip', 'router', 'leaks']), /packets 0 /);
    assert.match(await host.run('nft', ['list', 'counter', 'ip', 'router', 'overlay']), /packets [1-9]/);
  });
});

const counters = `table ip router {
  counter leaks { }
  counter overlay { }
  chain seen {
    type filter hook prerouting priority -200;
    ip daddr { 10.244.0.0/16, 10.96.0.0/12 } counter name leaks
    udp dport 8472 counter name overlay
  }
}
`;

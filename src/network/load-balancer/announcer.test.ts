import assert from 'node:assert/strict';
import { after, before as beforeAll, describe, it } from 'node:test';
import { type EndpointSlice, Node, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { ask, canMakeNetworks, type TestMachine, TestNetwork } from '../network.fixture.ts';
import { planAnnouncements, startAnnouncer } from './announcer.ts';

const ready = (name: string, status: 'True' | 'Unknown' = 'True', address = '172.30.0.2') => {
  const addresses = [{ type: 'InternalIP', address }];
  return {
    metadata: { name },
    spec: {},
    status: { addresses, conditions: [{ type: 'Ready', status }] },
  } as Node;
};
const balanced = (ip: string) =>
  ({
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer' },
    status: { loadBalancer: { ingress: [{ ip }] } },
  }) as Service;

describe('who answers for a load-balancer address', () => {
  const ownersOf = (services: Service[], nodes: Node[], isOnLink = (_: string) => true) =>
    nodes
      .map(({ metadata }) => metadata.name)
      .filter(
        (nodeName) =>
          planAnnouncements({ nodeName, services, nodes, slicesOf: () => [], isOnLink }).length > 0,
      );

  it('is one ready node', () => {
    const nodes = ['a', 'b', 'c'].map((name) => ready(name));
    assert.equal(ownersOf([balanced('172.30.0.128')], nodes).length, 1);
    assert.deepEqual(ownersOf([balanced('172.30.0.128')], [ready('a', 'Unknown'), ready('b')]), ['b']);
  });

  it('has no owner when the address is not on the link', () => {
    const isOnLink = (address: string) => address.startsWith('172.30.');
    assert.deepEqual(ownersOf([balanced('203.0.113.1')], [ready('a')], isOnLink), []);
  });

  it('is never left to a node on another link', () => {
    const isOnLink = (address: string) => address.startsWith('172.30.');
    const far = ['x', 'y', 'z'].map((name) => ready(name, 'True', '172.31.0.2'));
    for (let last = 128; last < 140; last++) {
      const services = [balanced(`172.30.0.${last}`)];
      const nodes = [...far, ready('a')];
      assert.equal(
        planAnnouncements({ nodeName: 'a', services, nodes, slicesOf: () => [], isOnLink }).length,
        1,
      );
    }
  });

  it('with a Local policy is a node with an endpoint, or any while no slice has endpoints', () => {
    const service = balanced('172.30.0.128');
    service.spec!.externalTrafficPolicy = 'Local';
    const nodes = ['a', 'b', 'c'].map((name) => ready(name));
    // The server shows slices without endpoints as null.
    const none = { addressType: 'IPv4', endpoints: null } as unknown as EndpointSlice;
    const some = {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'b' }],
    } as EndpointSlice;
    const owners = (...slices: EndpointSlice[]) =>
      nodes
        .map(({ metadata }) => metadata.name)
        .filter((nodeName) => {
          const view = { nodeName, services: [service], nodes, slicesOf: () => slices, isOnLink: () => true };
          return planAnnouncements(view).length > 0;
        });
    assert.equal(owners(none).length, 1);
    assert.deepEqual(owners(none, some), ['b']);
  });

  it('spreads many addresses over the nodes', () => {
    const nodes = ['a', 'b', 'c'].map((name) => ready(name));
    const counts = new Map<string, number>();
    for (let last = 1; last < 127; last++) {
      const [owner] = ownersOf([balanced(`172.30.0.${last + 127}`)], nodes);
      counts.set(owner!, (counts.get(owner!) ?? 0) + 1);
    }
    for (const { metadata } of nodes)
      assert.ok((counts.get(metadata.name) ?? 0) > 20, JSON.stringify([...counts]));
  });
});

describe('load-balancer addresses on two nodes', { skip: !canMakeNetworks }, () => {
  const informers = createFakeInformers();
  const stop = new AbortController();
  const address = '172.31.255.200';
  let network: TestNetwork;
  let host: TestMachine;
  const running: { settled(): Promise<void> }[] = [];

  beforeAll(async () => {
    network = new TestNetwork();
    host = await network.host();
    for (const index of [2, 3]) {
      const node = await network.node(index);
      await network.answer(node, [80]);
      informers.put(Node, ready(node.name, 'True', node.address));
      const common = { informers, clock: systemClock, logger: silentLogger, run: node.run };
      running.push(
        await startAnnouncer({ ...common, nodeName: node.name, nodeAddress: node.address }, stop.signal),
      );
    }
  });
  after(async () => {
    stop.abort();
    await network[Symbol.asyncDispose]();
  });
  const settled = () => Promise.all(running.map((each) => each.settled()));

  it('are found from the machine itself, follow readiness at once, and go with the service', async () => {
    informers.put(Service, balanced(address));
    await settled();
    const first = await ask(host, address, 80);
    assert.equal(typeof first, 'object', String(first));
    const owner = (first as { from: string }).from;
    informers.put(Node, ready(owner, 'Unknown', '172.31.255.2'));
    await settled();
    const second = await ask(host, address, 80);
    assert.equal(typeof second, 'object', String(second));
    assert.notEqual((second as { from: string }).from, owner);
    informers.remove(Service, 'default/web');
    await settled();
    assert.equal(typeof (await ask(host, address, 80)), 'string');
  });
});

import assert from 'node:assert/strict';
import { after, before as beforeAll, describe, it } from 'node:test';
import { Namespace, NetworkPolicy, Pod } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { type Answer, ask, canMakeNetworks, type TestMachine, TestNetwork } from '../network.fixture.ts';
import { planPolicies } from './plan.ts';
import { startPolicy } from './policy.ts';

const dnsAddress = '10.96.0.10';

describe('network policies of a node', { skip: !canMakeNetworks }, () => {
  const informers = createFakeInformers();
  const stop = new AbortController();
  const machines = new Map<string, TestMachine>();
  let network: TestNetwork;
  let node: TestMachine;
  let host: TestMachine;
  let policy: Awaited<ReturnType<typeof startPolicy>>;
  /** What the node knows of its own pods before the API does. */
  const local: { pod: Pod; ips: string[] }[] = [];

  beforeAll(async () => {
    network = new TestNetwork();
    host = await network.host();
    node = await network.node(2);
    await host.run('ip', ['route', 'add', '10.244.2.0/24', 'via', node.address]);
    informers.put(Namespace, { metadata: { name: 'default', labels: { team: 'a' } }, spec: {} });
    informers.put(Namespace, { metadata: { name: 'other', labels: { team: 'b' } }, spec: {} });
    const systemLabels = { 'kubernetes.io/metadata.name': 'kube-system' };
    informers.put(Namespace, { metadata: { name: 'kube-system', labels: systemLabels }, spec: {} });
    await node.run('ip', ['address', 'add', `${dnsAddress}/32`, 'dev', 'lo']);
    await network.answer(node, [53]);
    await pod('web', 'default', '10.244.2.11');
    await pod('client', 'default', '10.244.2.12');
    await pod('stranger', 'other', '10.244.2.13');
    policy = await startPolicy(
      {
        nodeName: 'n2',
        dnsAddress,
        informers,
        localPods: () => local,
        clock: systemClock,
        logger: silentLogger,
        run: node.run,
      },
      stop.signal,
    );
  });
  after(async () => {
    stop.abort();
    await network[Symbol.asyncDispose]();
  });

  async function pod(name: string, namespace: string, address: string): Promise<void> {
    const machine = await network.pod(node, address);
    machines.set(name, machine);
    await network.answer(machine, [8080, 8081]);
    informers.put(Pod, {
      metadata: { name, namespace, uid: name, labels: { app: name } },
      spec: {
        nodeName: 'n2',
        containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }] }],
      } as Pod['spec'],
      status: { podIP: address, phase: 'Running' },
    });
  }

  async function put(...specs: NetworkPolicy['spec'][]): Promise<void> {
    for (const { metadata } of [...informers.of(NetworkPolicy).list()])
      informers.remove(NetworkPolicy, `${metadata.namespace}/${metadata.name}`);
    for (const [index, spec] of specs.entries())
      informers.put(NetworkPolicy, { metadata: { name: `p${index}` }, spec });
    await policy.settled();
  }

  const passes = (answer: Answer) => typeof answer === 'object';
  const reaches = async (from: string, to: string, port: number | `udp:${number}` = 8080) =>
    passes(
      await ask(
        from === 'node' ? node : from === 'host' ? host : machines.get(from)!,
        to === 'node' ? node.address : machines.get(to)!.address,
        port,
      ),
    );

  it('lets everything through while there is none', async () => {
    assert.equal(await reaches('stranger', 'web'), true);
    assert.equal(await reaches('host', 'web'), true);
  });

  it('denies all that comes in, but from the node itself', async () => {
    await put({ podSelector: { matchLabels: { app: 'web' } } });
    assert.equal(await reaches('client', 'web'), false);
    assert.equal(await reaches('client', 'web', 'udp:8080'), false);
    assert.equal(await reaches('node', 'web'), true);
    assert.equal(await reaches('web', 'client'), true, 'answers come back');
    assert.equal(await reaches('client', 'stranger'), true, 'other pods are as open as before');
  });

  it('lets pods of the same namespace in by their labels, on named ports only', async () => {
    await put({
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 'http' }] }],
    });
    assert.equal(await reaches('client', 'web'), true);
    assert.equal(await reaches('client', 'web', 8081), false);
    assert.equal(await reaches('stranger', 'web'), false);
  });

  it('lets pods of other namespaces in by labels of the namespace, on a range of ports', async () => {
    await put({
      podSelector: {},
      ingress: [
        {
          from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }],
          ports: [{ port: 8081, endPort: 8090 }, { port: 8085 }],
        },
      ],
    });
    assert.equal(await reaches('stranger', 'web', 8081), true);
    assert.equal(await reaches('stranger', 'web', 8080), false);
    assert.equal(await reaches('client', 'web', 8081), false);
  });

  it('knows address blocks and their exceptions', async () => {
    await put({
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ ipBlock: { cidr: '172.31.0.0/16' } }] }],
    });
    assert.equal(await reaches('host', 'web'), true);
    assert.equal(await reaches('client', 'web'), false);
    await put({
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['172.31.255.1/32', '172.31.0.0/16'] } }] }],
    });
    assert.equal(await reaches('host', 'web'), false);
    assert.equal(await reaches('client', 'web'), true);
  });

  it('limits what goes out, to the node too, and an open way out opens no way in', async () => {
    await put({ podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'] });
    assert.equal(await reaches('client', 'web'), false);
    assert.equal(await reaches('web', 'client'), true);
    await put(
      { podSelector: { matchLabels: { app: 'client' } }, policyTypes: ['Egress'], egress: [{}] },
      { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] },
    );
    assert.equal(await reaches('client', 'stranger'), true);
    assert.equal(await reaches('client', 'web'), false);
  });

  it('lets pods ask cluster DNS where a policy allows them to ask its pods, which are not there', async () => {
    const toDns = (app: string, port: number | string): NetworkPolicy['spec'] => ({
      podSelector: { matchLabels: { app: 'client' } },
      policyTypes: ['Egress'],
      egress: [
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
              podSelector: { matchLabels: { 'k8s-app': app } },
            },
          ],
          ports: [{ port, protocol: 'TCP' }],
        },
      ],
    });
    const asks = async () => passes(await ask(machines.get('client')!, dnsAddress, 53));
    const denied = { podSelector: {}, policyTypes: ['Egress' as const] };
    await put(denied);
    assert.equal(await asks(), false);
    for (const port of [53, 'dns-tcp']) {
      await put(denied, toDns('kube-dns', port));
      assert.equal(await asks(), true, `port ${port}`);
      assert.equal(await reaches('client', 'web'), false);
    }
    await put(toDns('something-else', 53));
    assert.equal(await asks(), false);
  });

  it('takes a namespace and a pod of one peer together, those of two peers apart', async () => {
    const peer = { namespaceSelector: { matchLabels: { team: 'b' } } };
    const pods = { podSelector: { matchLabels: { app: 'client' } } };
    const from = (...peers: object[]) =>
      put({ podSelector: { matchLabels: { app: 'web' } }, ingress: [{ from: peers }] });
    const reached = async () => [await reaches('client', 'web'), await reaches('stranger', 'web')];
    await from({ ...peer, ...pods });
    assert.deepEqual(await reached(), [false, false]);
    await from({ ...peer, podSelector: { matchLabels: { app: 'stranger' } } });
    assert.deepEqual(await reached(), [false, true]);
    await from(peer, pods);
    assert.deepEqual(await reached(), [true, true]);
  });

  it('adds up what several policies allow', async () => {
    const allow = (app: string) => ({
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app } } }] }],
    });
    await put(allow('nobody'), allow('client'));
    assert.equal(await reaches('client', 'web'), true);
  });

  it('follows labels of pods, changing elements only', async () => {
    await put({
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { role: 'friend' } } }] }],
    });
    assert.equal(await reaches('client', 'web'), false);
    const listing = () => node.run('nft', ['-a', '-t', 'list', 'table', 'ip', 'wherry-policy']);
    const before = await listing();
    const client = informers.of(Pod).get('default/client')!;
    informers.put(Pod, {
      ...client,
      metadata: { ...client.metadata, labels: { app: 'client', role: 'friend' } },
    });
    await policy.settled();
    assert.equal(await reaches('client', 'web'), true);
    assert.equal(await listing(), before);
  });

  it('isolates a pod of the node whose address the API does not know yet', async () => {
    await put({ podSelector: { matchLabels: { app: 'late' } }, policyTypes: ['Ingress', 'Egress'] });
    const machine = await network.pod(node, '10.244.2.14');
    machines.set('late', machine);
    await network.answer(machine, [8080, 8081]);
    const spec = { nodeName: 'n2', containers: [] } as Pod['spec'];
    const metadata = { name: 'late', uid: 'late', labels: { app: 'late' } };
    const pod = informers.put(Pod, { metadata, spec, status: { phase: 'Pending' } });
    local.push({ pod, ips: ['10.244.2.14'] });
    await policy.inForce();
    assert.equal(await reaches('late', 'web'), false);
    assert.equal(await reaches('web', 'late'), false);
    // The pod may be new to this node only.
    informers.remove(Pod, 'default/late');
    await policy.settled();
    assert.equal(await reaches('late', 'web'), false);
    local.length = 0;
  });

  it('removes every rule with the last policy', async () => {
    await put();
    assert.equal(await reaches('stranger', 'web'), true);
    assert.doesNotMatch(
      await node.run('nft', ['list', 'table', 'ip', 'wherry-policy']),
      /policy-|pods-|peers-/,
    );
  });
});

describe('a policy of many peers with many ports', () => {
  it('is as many rules as it has of both, not as there are pairs', () => {
    const many = <T>(make: (index: number) => T) => Array.from({ length: 2000 }, (_, index) => make(index));
    const policy = {
      metadata: { name: 'p', namespace: 'default' },
      spec: {
        podSelector: {},
        ingress: [
          {
            from: many((index) => ({ ipBlock: { cidr: `10.1.${index >> 8}.${index & 255}/32` } })),
            ports: many((index) => ({ port: index + 1 })),
          },
        ],
      },
    } as NetworkPolicy;
    const pod = {
      metadata: { name: 'web', namespace: 'default' },
      spec: { nodeName: 'n' },
      status: { podIP: '10.244.0.2' },
    } as Pod;
    const plan = planPolicies({ nodeName: 'n', policies: [policy], pods: [pod], namespaces: [] });
    const chains = [...plan.chains];
    assert.deepEqual(
      chains.map(([name, rules]) => [name.replace(/-[0-9a-f]+$/, ''), rules.length]),
      [
        ['ports-ingress', 2000],
        ['policy-ingress', 2000],
        ['pods-ingress', 2],
      ],
    );
    assert.equal(chains[0]![1][7], 'tcp dport 8 accept');
    assert.equal(chains[1]![1][7], `ip saddr 10.1.0.7/32 jump ${chains[0]![0]}`);
  });
});

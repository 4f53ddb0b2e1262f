import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before as beforeAll, describe, it } from 'node:test';
import { EndpointSlice, Service, ServiceCIDR } from '../../api/resources.gen.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { createFakeInformers } from '../informers.fake.ts';
import {
  type Answer,
  ask,
  askMany,
  canMakeNetworks,
  type TestMachine,
  TestNetwork,
} from '../network.fixture.ts';
import { type ServiceProxy, startProxy } from './proxy.ts';

const options = {
  nodeName: 'n2',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/12',
  ownServiceAddresses: ['10.96.0.10'],
  clock: systemClock,
  logger: silentLogger,
};

/** Sends repeatedly from one port. */
const talker = `
const socket = require('dgram').createSocket('udp4');
socket.on('message', (text) => console.log(String(text)));
setInterval(() => socket.send('?', Number(process.argv[2]), process.argv[1]), 20);`;

const echoer = `require('net').createServer((socket) => socket.pipe(socket)).listen(9000);`;
/** Counts answers by their content. */
const echoClient = `
const connect = () => {
  const socket = require('net').connect(Number(process.argv[2]), process.argv[1]);
  let count = 0;
  const send = () => socket.write(String(++count));
  socket.on('connect', send);
  socket.on('data', (text) => { console.log(String(text)); setTimeout(send, 10); });
  socket.on('error', () => count === 0 && setTimeout(connect, 20));
};
connect();`;

/** A proxy in its own process, whose service has two of three endpoints, a different pair with every update. */
const rollingProxy = `
const [folder, ...pods] = process.argv.slice(1);
const { startProxy } = await import(folder + '/proxy.ts');
const { createFakeInformers } = await import(folder + '/../informers.fake.ts');
const { EndpointSlice, Service } = await import(folder + '/../../api/resources.gen.ts');
const { systemClock } = await import(folder + '/../../base/clock.ts');
const { silentLogger } = await import(folder + '/../../base/logger.ts');
const { MetricsRegistry } = await import(folder + '/../../base/metrics.ts');
const informers = createFakeInformers();
const put = (round) => informers.put(EndpointSlice, {
  metadata: { name: 'rolling-1', labels: { 'kubernetes.io/service-name': 'rolling' } },
  addressType: 'IPv4',
  endpoints: [0, 1].map((each) => ({ addresses: [pods[(round + each) % pods.length]], nodeName: 'n2' })),
  ports: [{ port: 8080, protocol: 'TCP' }],
});
informers.put(Service, { metadata: { name: 'rolling' }, spec: { clusterIP: '10.96.1.20', ports: [{ port: 80, protocol: 'TCP' }] } });
put(0);
const proxy = await startProxy({
  nodeName: 'n2', clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/12', ownServiceAddresses: ['10.96.0.10'],
  informers, clock: systemClock, logger: silentLogger, metrics: new MetricsRegistry(),
}, new AbortController().signal);
for (let round = 1; ; round++) {
  console.log(round);
  await new Promise((resolve) => setTimeout(resolve, 20));
  put(round);
  await proxy.settled();
}`;

const isAnswer = (answer: Answer) => typeof answer === 'object';

function hasConntrack(): boolean {
  try {
    execFileSync('conntrack', ['--version']);
    return true;
  } catch {
    return false;
  }
}

describe('the proxy of one node', { skip: !canMakeNetworks }, () => {
  const informers = createFakeInformers();
  const stop = new AbortController();
  let network: TestNetwork;
  let host: TestMachine;
  let node: TestMachine;
  let pods: TestMachine[];
  let proxy: ServiceProxy;

  beforeAll(async () => {
    network = new TestNetwork();
    host = await network.host();
    node = await network.node(2);
    pods = [
      await network.pod(node, '10.244.2.11'),
      await network.pod(node, '10.244.2.12'),
      await network.pod(node, '10.244.2.13'),
    ];
    await Promise.all(pods.map((pod) => network.answer(pod, [8080, 8081])));
    proxy = await startProxy(
      { ...options, informers, metrics: new MetricsRegistry(), enter: node.enter },
      stop.signal,
    );
  });
  after(async () => {
    stop.abort();
    await network[Symbol.asyncDispose]();
  });

  function put(
    name: string,
    spec: Service['spec'],
    endpoints: TestMachine[],
    status?: Service['status'],
  ): void {
    informers.put(Service, { metadata: { name }, spec, ...(status ? { status } : {}) });
    informers.put(EndpointSlice, {
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: endpoints.map(({ address }) => ({
        addresses: [address],
        nodeName: 'n2',
        conditions: { ready: true },
      })),
      ports: (spec?.ports ?? []).map(({ name: port = '', protocol = 'TCP', targetPort }) => ({
        name: port,
        protocol,
        port: targetPort as number,
      })),
    });
  }
  const tcp80 = [{ port: 80, targetPort: 8080, protocol: 'TCP' as const }];
  const names = (answers: Answer[]) =>
    [...new Set(answers.map((answer) => (typeof answer === 'string' ? answer : answer.from)))].sort();

  it('spreads connections to a ClusterIP over all endpoints, from pods and from the node', async () => {
    put('web', { clusterIP: '10.96.1.1', ports: tcp80 }, pods.slice(0, 2));
    await proxy.settled();
    const both = ['p2-11', 'p2-12'];
    assert.deepEqual(names(await askMany(pods[2]!, '10.96.1.1', 80, { count: 30 })), both);
    assert.deepEqual(names(await askMany(node, '10.96.1.1', 80, { count: 30 })), both);
  });

  it('keeps connections for an hour that their client has half closed, as kube-proxy does', async () => {
    const setting = (name: string) =>
      node.run('cat', [`/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_${name}`]);
    assert.equal(await setting('close_wait'), '3600\n');
    assert.equal(await setting('established'), '86400\n');
  });

  it('keeps the address of a client that is a pod', async () => {
    const answer = await ask(pods[2]!, '10.96.1.1', 80);
    assert.equal((answer as { client: string }).client, '10.244.2.13');
  });

  it('lets a pod reach itself through a service', async () => {
    put('self', { clusterIP: '10.96.1.2', ports: tcp80 }, [pods[0]!]);
    await proxy.settled();
    assert.deepEqual(await ask(pods[0]!, '10.96.1.2', 80), { from: 'p2-11', client: '10.244.2.1' });
  });

  it('refuses at once what nothing serves: no endpoints, another port, an unknown service address', async () => {
    put('empty', { clusterIP: '10.96.1.3', ports: tcp80 }, []);
    await proxy.settled();
    for (const from of [pods[0]!, node]) {
      for (const [address, port] of [
        ['10.96.1.3', 80],
        ['10.96.1.1', 81],
        ['10.97.9.9', 80],
      ] as const)
        assert.equal(await ask(from, address, port), 'refused', `${from.name} → ${address}:${port}`);
      assert.equal(await ask(from, '10.96.1.3', 'udp:80'), 'refused', `${from.name}, UDP`);
      assert.equal(await ask(from, '10.96.1.1', 'udp:81'), 'refused', `${from.name}, UDP, another port`);
    }
  });

  it('serves a node port to other machines, and on the node itself', async () => {
    put(
      'open',
      { type: 'NodePort', clusterIP: '10.96.1.4', ports: [{ ...tcp80[0]!, nodePort: 30080 }] },
      pods.slice(0, 2),
    );
    await proxy.settled();
    assert.deepEqual(names(await askMany(host, node.address, 30080, { count: 30 })), ['p2-11', 'p2-12']);
    assert.deepEqual(names(await askMany(node, node.address, 30080, { count: 30 })), ['p2-11', 'p2-12']);
    assert.deepEqual(names(await askMany(node, '127.0.0.1', 30080, { count: 30 })), ['p2-11', 'p2-12']);
    put('open', { type: 'NodePort', clusterIP: '10.96.1.4', ports: [{ ...tcp80[0]!, nodePort: 30080 }] }, []);
    await proxy.settled();
    assert.equal(await ask(host, node.address, 30080), 'refused');
  });

  it('shows the client its own address where the external policy is Local', async () => {
    const spec = {
      type: 'NodePort' as const,
      clusterIP: '10.96.1.5',
      externalTrafficPolicy: 'Local' as const,
      ports: [{ ...tcp80[0]!, nodePort: 30081 }],
    };
    put('local', spec, pods.slice(0, 1));
    await proxy.settled();
    assert.deepEqual(await ask(host, node.address, 30081), { from: 'p2-11', client: '172.31.255.1' });
  });

  it('sends UDP to UDP ports of several named ports, and moves clients on when their endpoint goes', async () => {
    const spec = {
      clusterIP: '10.96.1.6',
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'dns', port: 53, targetPort: 8081, protocol: 'UDP' as const },
      ],
    };
    put('several', spec, pods.slice(0, 1));
    await proxy.settled();
    assert.deepEqual(await ask(pods[2]!, '10.96.1.6', 'udp:53'), { from: 'p2-11', client: '10.244.2.13' });
    assert.equal(await ask(pods[2]!, '10.96.1.6', 53), 'refused');
  });

  it('moves a UDP client that never stops sending to another endpoint when its own goes', async () => {
    if (!hasConntrack()) return;
    const spec = {
      clusterIP: '10.96.1.16',
      ports: [{ port: 53, targetPort: 8081, protocol: 'UDP' as const }],
    };
    put('talk', spec, [pods[0]!]);
    await proxy.settled();
    const client = network.start(pods[2]!, process.execPath, ['-e', talker, '10.96.1.16', '53']);
    const heard = createInterface({ input: client.stdout! })[Symbol.asyncIterator]();
    assert.match((await heard.next()).value!, /^p2-11 /);
    put('talk', spec, [pods[1]!]);
    let answer = '';
    while (!answer.startsWith('p2-12 ')) answer = (await heard.next()).value!;
    client.kill();
  });

  it('leaves an established connection alone, whatever changes', async () => {
    network.start(pods[0]!, process.execPath, ['-e', echoer]);
    const spec = {
      clusterIP: '10.96.1.17',
      ports: [{ port: 9000, targetPort: 9000, protocol: 'TCP' as const }],
    };
    put('long', spec, [pods[0]!]);
    await proxy.settled();
    const client = network.start(pods[2]!, process.execPath, ['-e', echoClient, '10.96.1.17', '9000']);
    const heard = createInterface({ input: client.stdout! })[Symbol.asyncIterator]();
    const goesOn = async () => {
      const { value } = await heard.next();
      for (let more = 0; more < 3; more++)
        assert.equal((await heard.next()).value, String(Number(value) + more + 1));
    };
    await goesOn();
    put('unrelated', { clusterIP: '10.96.1.18', ports: tcp80 }, pods);
    await proxy.settled();
    await goesOn();
    put('long', spec, [pods[1]!]);
    await proxy.settled();
    await goesOn();
    client.kill();
  });

  it('keeps a client at its endpoint with session affinity, and moves it when that endpoint goes', async () => {
    const spec = { clusterIP: '10.96.1.7', ports: tcp80, sessionAffinity: 'ClientIP' as const };
    put('sticky', spec, pods);
    await proxy.settled();
    const first = names(await askMany(node, '10.96.1.7', 80, { count: 20 }));
    assert.equal(first.length, 1);
    put(
      'sticky',
      spec,
      pods.filter(({ name }) => name !== first[0]),
    );
    await proxy.settled();
    await proxy.cleaned();
    const second = names(await askMany(node, '10.96.1.7', 80, { count: 20 }));
    assert.equal(second.length, 1);
    assert.notDeepEqual(second, first);
  });

  it('serves load-balancer and external addresses, to allowed sources only', async () => {
    const spec = {
      type: 'LoadBalancer' as const,
      clusterIP: '10.96.1.8',
      externalIPs: ['172.31.255.201'],
      loadBalancerSourceRanges: ['172.31.255.1/32'],
      ports: tcp80,
    };
    await node.run('ip', ['addr', 'add', '172.31.255.200/32', 'dev', 'eth0']);
    await node.run('ip', ['addr', 'add', '172.31.255.201/32', 'dev', 'eth0']);
    put('balanced', spec, pods, { loadBalancer: { ingress: [{ ip: '172.31.255.200' }] } });
    await proxy.settled();
    assert.equal(names(await askMany(host, '172.31.255.200', 80, { count: 40 })).length, 3);
    assert.equal(names(await askMany(host, '172.31.255.201', 80, { count: 40 })).length, 3);
    assert.equal(await ask(pods[0]!, '172.31.255.200', 80), 'timeout');
    assert.notEqual(await ask(pods[0]!, '172.31.255.201', 80), 'timeout');
  });

  it('knows the ranges that come and go: refuses there what nothing serves, and serves the rest', async () => {
    const inRange = '10.99.7.1';
    const own = 'kubernetes';
    informers.put(ServiceCIDR, { metadata: { name: own }, spec: { cidrs: [options.serviceCidr] } });
    informers.put(ServiceCIDR, { metadata: { name: 'more' }, spec: { cidrs: ['192.0.2.0/25'] } });
    informers.put(ServiceCIDR, { metadata: { name: 'within' }, spec: { cidrs: ['192.0.2.16/28'] } });
    put('of-more', { clusterIP: '192.0.2.20', ports: tcp80 }, [pods[0]!]);
    await proxy.settled();
    for (const from of [pods[1]!, node]) {
      assert.deepEqual(names([await ask(from, '192.0.2.20', 80)]), [pods[0]!.name], from.name);
      for (const address of [inRange, '192.0.2.21'])
        assert.equal(await ask(from, address, 80), 'refused', `${from.name} → ${address}`);
    }
    informers.remove(ServiceCIDR, 'more');
    await proxy.settled();
    assert.match(await node.run('ip', ['route', 'show']), /192\.0\.2\.16\/28 dev lo/);
    assert.deepEqual(names([await ask(node, '192.0.2.20', 80)]), [pods[0]!.name]);
    informers.remove(ServiceCIDR, 'within');
    informers.remove(Service, 'default/of-more');
    await proxy.settled();
    assert.doesNotMatch(await node.run('ip', ['route', 'show']), /192\.0\.2\./);
    assert.doesNotMatch(
      await node.run('nft', ['list', 'set', 'ip', 'wherry', 'service-ranges']),
      /192\.0\.2/,
    );
  });

  it('takes over the rules that another process left, and removes what is stale', async () => {
    put('gone', { clusterIP: '10.96.1.9', ports: tcp80 }, pods);
    await proxy.settled();
    stop.abort();
    assert.notEqual(await ask(node, '10.96.1.9', 80), 'refused');
    informers.remove(Service, 'default/gone');
    const before = await node.run('nft', ['-a', 'list', 'chain', 'ip', 'wherry', 'route-service']);
    const second = new AbortController();
    await startProxy(
      { ...options, informers, metrics: new MetricsRegistry(), enter: node.enter },
      second.signal,
    );
    assert.equal(await node.run('nft', ['-a', 'list', 'chain', 'ip', 'wherry', 'route-service']), before);
    assert.equal(await ask(node, '10.96.1.9', 80), 'refused');
    assert.deepEqual(names(await askMany(pods[2]!, '10.96.1.1', 80, { count: 30 })), ['p2-11', 'p2-12']);
    second.abort();
  });

  it('makes its rules again when something else has removed them', async () => {
    const quickClock: Clock = {
      ...systemClock,
      sleep: (delayMs, signal) => systemClock.sleep(delayMs / 300, signal),
    };
    const other = new AbortController();
    await startProxy(
      { ...options, clock: quickClock, informers, metrics: new MetricsRegistry(), enter: node.enter },
      other.signal,
    );
    await node.run('nft', ['flush', 'ruleset']);
    const deadlineMs = performance.now() + 20_000;
    let answers: Answer[] = [];
    while (!answers.some(isAnswer) && performance.now() < deadlineMs)
      answers = await askMany(pods[2]!, '10.96.1.1', 80, { count: 10 });
    assert.deepEqual(names(await askMany(pods[2]!, '10.96.1.1', 80, { count: 30 })), ['p2-11', 'p2-12']);
    other.abort();
  });

  it('refuses none of 10,000 connections while endpoints come and go and a proxy is killed', async () => {
    const roll = () =>
      network.start(node, process.execPath, [
        '--input-type=module',
        '-e',
        rollingProxy,
        import.meta.dirname,
        ...pods.map(({ address }) => address),
      ]);
    const first = roll();
    await once(first.stdout!, 'data');
    const connections = askMany(pods[2]!, '10.96.1.20', 80, { count: 10_000, timeoutMs: 20_000 });
    for (let updates = 0; updates < 10; updates++) await once(first.stdout!, 'data');
    first.kill('SIGKILL');
    await once(first, 'exit');
    const second = roll();
    const answers = await connections;
    second.kill('SIGKILL');
    await once(second, 'exit');
    assert.deepEqual(names(answers), ['p2-11', 'p2-12', 'p2-13']);
    assert.equal(answers.length, 10_000);
  });

  it('let no packet for a service address leave the node', async () => {
    assert.match(await node.run('nft', ['list', 'counter', 'ip', 'wherry', 'leaked']), /packets 0 /);
  });
});

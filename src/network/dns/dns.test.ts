import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { after, before as beforeAll, describe, it } from 'node:test';
import { ConfigMap, EndpointSlice, Namespace, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { startDns } from './dns.ts';
import { encodeQuery, parseAnswer, ResponseCode } from './message/message.ts';
import { RecordType } from './message/resource-record.ts';

const informers = createFakeInformers();
const stop = new AbortController();
const metrics = new MetricsRegistry();
const resolver = new Resolver({ timeout: 2000, tries: 1 });
let port: number;

function put(
  name: string,
  spec: Service['spec'],
  endpoints: { address: string; hostname?: string; ready?: boolean }[] = [],
) {
  informers.put(Service, { metadata: { name }, spec });
  informers.put(EndpointSlice, {
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: endpoints.map(({ address, hostname, ready = true }) => ({
      addresses: [address],
      conditions: { ready },
      ...(hostname ? { hostname } : {}),
    })),
    ports: (spec?.ports ?? []).map(({ name: portName = '', protocol = 'TCP', port: number }) => ({
      name: portName,
      protocol,
      port: number,
    })),
  });
}

/** Sends one query over UDP as bytes, to see what libraries hide. */
async function ask(name: string, type: number, udpSizeBytes = 1232) {
  const socket = createSocket('udp4');
  socket.send(encodeQuery(7, name, type, udpSizeBytes), port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return { bytes: answer, ...parseAnswer(answer)! };
}

describe('cluster DNS', () => {
  beforeAll(async () => {
    informers.put(Namespace, { metadata: { name: 'default' }, spec: {} });
    put('web', { clusterIP: '10.96.1.1', clusterIPs: ['10.96.1.1'], ports: [{ name: 'http', port: 80 }] });
    put('pets', { clusterIP: 'None', ports: [{ name: 'peer', port: 9000 }] }, [
      { address: '10.244.0.5', hostname: 'pets-0' },
      { address: '10.244.0.6', hostname: 'pets-1' },
      { address: '10.244.0.7' },
      { address: '10.244.0.8', ready: false },
    ]);
    put('empty', { clusterIP: 'None', ports: [{ port: 80 }] });
    put('outside', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' });
    ({ port } = await startDns(
      {
        address: '127.0.0.1',
        port: 0,
        clusterDomain: 'cluster.local',
        informers,
        clock: systemClock,
        random: seededRandom(1),
        logger: silentLogger,
        metrics,
        resolvConf: '/nonexistent',
      },
      stop.signal,
    ));
    resolver.setServers([`127.0.0.1:${port}`]);
  });
  after(() => stop.abort());

  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'found',
      (error: NodeJS.ErrnoException) => error.code,
    );

  it('gives a service its cluster address, with the time to live of kubeadm', async () => {
    assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local', { ttl: true }), [
      { address: '10.96.1.1', ttl: 30 },
    ]);
    assert.deepEqual(await resolver.resolve4('WEB.Default.svc.cluster.local'), ['10.96.1.1']);
  });

  it('gives a headless service the addresses of its ready endpoints, and each its own name', async () => {
    assert.deepEqual((await resolver.resolve4('pets.default.svc.cluster.local')).sort(), [
      '10.244.0.5',
      '10.244.0.6',
      '10.244.0.7',
    ]);
    assert.deepEqual(await resolver.resolve4('pets-1.pets.default.svc.cluster.local'), ['10.244.0.6']);
    assert.deepEqual(await resolver.resolve4('10-244-0-7.pets.default.svc.cluster.local'), ['10.244.0.7']);
  });

  it('gives SRV records for named ports', async () => {
    assert.deepEqual(await resolver.resolveSrv('_http._tcp.web.default.svc.cluster.local'), [
      { name: 'web.default.svc.cluster.local', port: 80, priority: 0, weight: 100, type: 'SRV' },
    ]);
    const peers = await resolver.resolveSrv('_peer._tcp.pets.default.svc.cluster.local');
    assert.deepEqual(peers.map(({ name, weight }) => `${name} ${weight}`).sort(), [
      '10-244-0-7.pets.default.svc.cluster.local 33',
      'pets-0.pets.default.svc.cluster.local 33',
      'pets-1.pets.default.svc.cluster.local 33',
    ]);
    assert.equal(await code(resolver.resolveSrv('_other._tcp.web.default.svc.cluster.local')), 'ENOTFOUND');
  });

  it('names addresses of services and of endpoints with hostnames', async () => {
    assert.deepEqual(await resolver.reverse('10.96.1.1'), ['web.default.svc.cluster.local']);
    assert.deepEqual(await resolver.reverse('10.244.0.5'), ['pets-0.pets.default.svc.cluster.local']);
    assert.equal(await code(resolver.reverse('10.244.0.99')), 'ENOTFOUND');
  });

  it('follows the alias of an ExternalName service', async () => {
    const { records } = await ask('outside.default.svc.cluster.local', RecordType.A);
    assert.deepEqual(
      records.map((record) =>
        'target' in record ? record.target : 'address' in record ? record.address : '',
      ),
      ['web.default.svc.cluster.local', '10.96.1.1'],
    );
    assert.deepEqual(await resolver.resolveCname('outside.default.svc.cluster.local'), [
      'web.default.svc.cluster.local',
    ]);
  });

  it('ends where a rewrite leads from the target of an alias back to it', async () => {
    put('round', { type: 'ExternalName', externalName: 'round.example' });
    const corefile = informers.put(ConfigMap, {
      metadata: { name: 'coredns', namespace: 'kube-system' },
      data: {
        Corefile: `.:53 {
    kubernetes cluster.local
    rewrite name exact round.example round.default.svc.cluster.local
}
`,
      },
    });
    const { records } = await ask('round.default.svc.cluster.local', RecordType.A);
    assert.ok(records.length > 0 && records.every((record) => record.type === RecordType.CNAME));
    informers.remove(ConfigMap, `${corefile.metadata.namespace}/${corefile.metadata.name}`);
  });

  it('rewrites a part of a name wherever it occurs', async () => {
    informers.put(ConfigMap, {
      metadata: { name: 'coredns', namespace: 'kube-system' },
      data: {
        Corefile: `.:53 {
    kubernetes cluster.local
    rewrite name substring -x- .
}
`,
      },
    });
    const { records } = await ask('web-x-default-x-svc.cluster.local', RecordType.A);
    assert.deepEqual(
      records.map((record) => 'address' in record && record.address),
      ['10.96.1.1'],
    );
    informers.remove(ConfigMap, 'kube-system/coredns');
  });

  it('gives pod addresses their names', async () => {
    assert.deepEqual(await resolver.resolve4('10-244-0-9.default.pod.cluster.local'), ['10.244.0.9']);
    assert.equal(await code(resolver.resolve4('10-244-0-999.default.pod.cluster.local')), 'ENOTFOUND');
  });

  it('distinguishes missing names from types that a name does not have', async () => {
    for (const [name, expected] of [
      ['nobody.default.svc.cluster.local', ResponseCode.noSuchName],
      ['web.nowhere.svc.cluster.local', ResponseCode.noSuchName],
      ['empty.default.svc.cluster.local', ResponseCode.noSuchName],
      ['a.b.c.web.default.svc.cluster.local', ResponseCode.noSuchName],
      ['default.svc.cluster.local', ResponseCode.noError],
      ['svc.cluster.local', ResponseCode.noError],
      ['cluster.local', ResponseCode.noError],
    ] as const)
      assert.equal((await ask(name, RecordType.A)).code, expected, name);
    const noAddress = await ask('web.default.svc.cluster.local', RecordType.AAAA);
    assert.deepEqual(
      [noAddress.code, noAddress.records, noAddress.ttlSeconds],
      [ResponseCode.noError, [], 30],
    );
  });

  it("names the authority of its zone and the zone's name server, and refuses zone transfers", async () => {
    const authority = await resolver.resolveSoa('cluster.local');
    assert.deepEqual([authority.nsname, authority.minttl], ['ns.dns.cluster.local', 30]);
    assert.deepEqual(await resolver.resolveNs('cluster.local'), ['ns.dns.cluster.local']);
    informers.put(Service, {
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      spec: { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10'], ports: [{ name: 'dns', port: 53 }] },
    });
    assert.deepEqual(await resolver.resolveNs('cluster.local'), ['kube-dns.kube-system.svc.cluster.local']);
    assert.deepEqual(await resolver.resolve4('ns.dns.cluster.local'), ['10.96.0.10']);
    const axfr = 252;
    assert.equal((await ask('cluster.local', axfr)).code, ResponseCode.refused);
  });

  it('cuts what does not fit into a packet and gives it over TCP', async () => {
    const many = Array.from({ length: 100 }, (_, index) => ({ address: `10.244.1.${index}` }));
    put('many', { clusterIP: 'None', ports: [{ port: 80 }] }, many);
    const cut = await ask('many.default.svc.cluster.local', RecordType.A, 512);
    assert.equal(cut.isTruncated, true);
    assert.ok(cut.bytes.length <= 512 && cut.records.length > 10);
    assert.equal((await resolver.resolve4('many.default.svc.cluster.local')).length, 100);
  });

  it('answers SERVFAIL at once for other names when there is no server to ask', async () => {
    assert.equal(await code(resolver.resolve4('example.org')), 'ESERVFAIL');
    assert.equal(await code(resolver.resolve4('kubia')), 'ENOTFOUND');
  });

  it('answers what cannot be read with a format error, and answers with silence', async () => {
    const socket = createSocket('udp4');
    const answers: Buffer[] = [];
    socket.on('message', (message) => answers.push(message));
    const query = encodeQuery(9, 'web.default.svc.cluster.local', RecordType.A, 1232);
    socket.send(
      Buffer.concat([query.subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]),
      port,
      '127.0.0.1',
    );
    await once(socket, 'message');
    assert.equal(answers[0]![3]! & 0xf, ResponseCode.formatError);
    const answer = Buffer.from(query);
    answer[2]! |= 0x80;
    socket.send(answer, port, '127.0.0.1');
    socket.send(query, port, '127.0.0.1');
    await once(socket, 'message');
    assert.equal(answers.length, 2);
    socket.close();
  });

  it('asks the servers of stub domains and of forwards, and keeps their answers', async () => {
    let questions = 0;
    const upstream = createSocket('udp4');
    upstream.on('message', (message, from) => {
      questions++;
      const end = message.indexOf(0, 12) + 5;
      const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
      const answer = Buffer.concat([message.subarray(0, end), record]);
      answer.writeUInt16BE(0x8180, 2);
      answer.writeUInt16BE(1, 6);
      answer.writeUInt16BE(0, 10);
      upstream.send(answer, from.port, from.address);
    });
    upstream.bind(0, '127.0.0.1');
    await once(upstream, 'listening');
    const server = `127.0.0.1:${upstream.address().port}`;
    informers.put(ConfigMap, {
      metadata: { name: 'coredns', namespace: 'kube-system' },
      data: {
        Corefile: `.:53 {\n kubernetes cluster.local in-addr.arpa {\n  ttl 5\n }\n rewrite name shop.example.org web.default.svc.cluster.local\n hosts {\n  192.0.2.9 fixed.example.org\n  fallthrough\n }\n cache 30\n}\nacme.local {\n forward . ${server}\n cache 30\n}\n`,
      },
    });
    assert.deepEqual(
      await resolver.resolve4('db.acme.local', { ttl: true }),
      [{ address: '192.0.2.1', ttl: 30 }],
      'no longer than it is kept',
    );
    assert.deepEqual(await resolver.resolve4('db.acme.local'), ['192.0.2.1']);
    assert.equal(questions, 1);
    assert.deepEqual(await resolver.resolve4('fixed.example.org'), ['192.0.2.9']);
    assert.deepEqual(await resolver.resolve4('shop.example.org', { ttl: true }), [
      { address: '10.96.1.1', ttl: 5 },
    ]);
    informers.put(ConfigMap, {
      metadata: { name: 'coredns', namespace: 'kube-system' },
      data: { Corefile: '. {\n nonsense\n}\n' },
    });
    assert.deepEqual(
      await resolver.resolve4('db.acme.local'),
      ['192.0.2.1'],
      'the last good configuration stays',
    );
    informers.remove(ConfigMap, 'kube-system/coredns');
    informers.put(ConfigMap, {
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      data: { stubDomains: JSON.stringify({ 'corp.example': [server] }) },
    });
    assert.deepEqual(await resolver.resolve4('db.corp.example'), ['192.0.2.1']);
    upstream.close();
  });

  it('survives servers that no route leads to or that refuse, and says SERVFAIL', async () => {
    informers.put(ConfigMap, {
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      data: { upstreamNameservers: JSON.stringify(['255.255.255.255', '127.0.0.1:1', 'no address']) },
    });
    assert.equal(await code(resolver.resolve4('unreachable.example')), 'ESERVFAIL');
    assert.deepEqual(await resolver.resolve4('web.default.svc.cluster.local'), ['10.96.1.1']);
  });

  it('counts under the names that dashboards know', () => {
    assert.match(metrics.expose(), /coredns_dns_responses_total\{server="dns:\/\/:53",rcode="NOERROR"\} \d+/);
  });
});

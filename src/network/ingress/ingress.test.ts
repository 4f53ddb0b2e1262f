import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { request as secureRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before as beforeAll, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { EndpointSlice, Ingress, IngressClass, Node, Secret, Service } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { createAuthority, issueCertificate } from '../../base/pki.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/event-recorder.ts';
import { createFakeInformers } from '../informers.fake.ts';
import { startIngress } from './ingress.ts';

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

describe('the ingress controller', { skip: !hasHaproxy(), timeout: 120_000 }, () => {
  const informers = createFakeInformers();
  const stop = new AbortController();
  const folder = mkdtempSync(join(tmpdir(), 'whnet-ingress-'));
  const logFile = join(folder, 'access.log');
  const ports = { http: 20_080 + (process.pid % 10_000), https: 31_080 + (process.pid % 10_000) };
  const servers: Server[] = [];
  const events: string[] = [];
  const statuses: unknown[] = [];
  let controller: Awaited<ReturnType<typeof startIngress>>;

  beforeAll(async () => {
    informers.put(Node, {
      metadata: { name: 'n1', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {},
      status: { conditions: [{ type: 'Ready', status: 'True' }] } as Node['status'],
    });
    informers.put(IngressClass, {
      metadata: { name: 'nginx' },
      spec: { controller: 'k8s.io/ingress-nginx' },
    });
    await service('web', 1);
    await service('api', 1);
    await service('new', 1);
    await service('many', 3);
    const recorder = {
      event: (_about: unknown, type: string, reason: string, message: string) =>
        void events.push(`${type} ${reason} ${message}`),
    } as unknown as EventRecorder;
    const client = {
      patch: (_type: unknown, at: { name: string }, patch: unknown) => {
        statuses.push([at.name, patch]);
        return Promise.resolve({});
      },
    } as unknown as Client;
    controller = await startIngress(
      {
        nodeName: 'n1',
        nodeAddress: '127.0.0.1',
        clusterDns: '127.0.0.1',
        client,
        informers,
        recorder,
        clock: systemClock,
        logger: silentLogger,
        folder: join(folder, 'run'),
        logFile,
        ports,
      },
      stop.signal,
    );
  });
  after(async () => {
    informers.remove(IngressClass, 'nginx');
    await controller?.settled();
    stop.abort();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  });

  /** A service of `count` servers that answer with their name and what they see of the request. */
  async function service(name: string, count: number): Promise<void> {
    const addresses: number[] = [];
    for (let index = 0; index < count; index++) {
      const server = createServer((message, response) => {
        message.resume();
        message.on('end', () => {
          response.end(
            JSON.stringify({ name: `${name}-${index}`, url: message.url, headers: message.headers }),
          );
        });
      });
      server.on('upgrade', (_message, socket) => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
        );
        socket.pipe(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      servers.push(server);
      addresses.push((server.address() as AddressInfo).port);
    }
    put(name, addresses);
  }

  function put(name: string, addresses: readonly number[]): void {
    informers.put(Service, {
      metadata: { name },
      spec: { clusterIP: '10.96.2.1', ports: [{ name: 'http', port: 80 }] },
    });
    for (const { metadata } of [...informers.of(EndpointSlice).list()])
      if (metadata.labels?.['kubernetes.io/service-name'] === name)
        informers.remove(EndpointSlice, `default/${metadata.name}`);
    for (const [index, port] of addresses.entries()) {
      informers.put(EndpointSlice, {
        metadata: { name: `${name}-${index}`, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
        ports: [{ name: 'http', port, protocol: 'TCP' }],
      });
    }
  }

  const to = (name: string) => ({ service: { name, port: { number: 80 } } });
  async function ingress(
    name: string,
    spec: Ingress['spec'],
    annotations: Record<string, string> = {},
  ): Promise<void> {
    informers.put(Ingress, {
      metadata: {
        name,
        annotations: Object.fromEntries(
          Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value]),
        ),
      },
      spec,
    });
    await controller.settled();
  }
  const paths = (
    host: string | undefined,
    ...list: [string, 'Exact' | 'Prefix' | 'ImplementationSpecific', string][]
  ) => ({
    rules: [
      {
        ...(host ? { host } : {}),
        http: { paths: list.map(([path, pathType, name]) => ({ path, pathType, backend: to(name) })) },
      },
    ],
  });

  function get(
    host: string,
    path: string,
    options: { headers?: Record<string, string>; tls?: boolean; body?: string } = {},
  ) {
    return new Promise<Answer>((resolve, reject) => {
      const common = {
        host: '127.0.0.1',
        path,
        agent: false as const,
        headers: { host, ...options.headers },
      };
      const method = options.body === undefined ? 'GET' : 'POST';
      const asking = options.tls
        ? secureRequest({ ...common, method, port: ports.https, servername: host, rejectUnauthorized: false })
        : request({ ...common, method, port: ports.http });
      asking.on('response', (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      });
      asking.on('error', reject);
      asking.end(options.body);
    });
  }
  const served = ({ status, body }: Answer) =>
    status === 200 ? (JSON.parse(body) as { name: string }).name : status;
  const seen = ({ body }: Answer) => JSON.parse(body) as { url: string; headers: Record<string, string> };

  it('routes by host and path: exact before prefix, the longest prefix first, by whole elements', async () => {
    await ingress(
      'a',
      paths('a.test', ['/', 'Prefix', 'web'], ['/api', 'Prefix', 'api'], ['/api/exact', 'Exact', 'new']),
    );
    assert.equal(served(await get('a.test', '/')), 'web-0');
    assert.equal(served(await get('a.test', '/api')), 'api-0');
    assert.equal(served(await get('A.test:80', '/api/x?y=1')), 'api-0');
    assert.equal(served(await get('a.test', '/apix')), 'web-0');
    assert.equal(served(await get('a.test', '/api/exact')), 'new-0');
    assert.equal(served(await get('a.test', '/api/exact/more')), 'api-0');
    const unknown = await get('unknown.test', '/');
    assert.deepEqual([unknown.status, unknown.body], [404, 'default backend - 404']);
  });

  it('knows wildcard hosts of one label, and default backends', async () => {
    await ingress('wild', paths('*.b.test', ['/', 'Prefix', 'api']));
    assert.equal(served(await get('x.b.test', '/')), 'api-0');
    assert.equal(served(await get('x.y.b.test', '/')), 404);
    await ingress('catch', { defaultBackend: to('new') });
    assert.equal(served(await get('whoever.test', '/any')), 'new-0');
    informers.remove(Ingress, 'default/catch');
    await controller.settled();
  });

  it('shows the address of the node as status, and says what happens by events', () => {
    assert.deepEqual(
      statuses.find((each) => (each as [string])[0] === 'a'),
      ['a', { status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } } }],
    );
    assert.ok(events.includes('Normal Sync Scheduled for sync'));
  });

  it('tells servers who asked, and how', async () => {
    const { headers } = seen(await get('a.test', '/', { headers: { 'x-forwarded-for': '6.6.6.6' } }));
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.equal(headers['x-forwarded-host'], 'a.test');
    assert.equal(headers.host, 'a.test');
  });

  it('rewrites paths, whole or by groups', async () => {
    await ingress('whole', paths('w.test', ['/foo', 'Prefix', 'web']), { 'rewrite-target': '/' });
    assert.equal(seen(await get('w.test', '/foo/bar?q=1')).url, '/?q=1');
    await ingress('groups', paths('g.test', ['/something(/|$)(.*)', 'ImplementationSpecific', 'web']), {
      'rewrite-target': '/$2',
    });
    assert.equal(seen(await get('g.test', '/something/new?q=1')).url, '/new?q=1');
    assert.equal(seen(await get('g.test', '/something')).url, '/');
    assert.equal(served(await get('g.test', '/other')), 404);
  });

  it('serves TLS by SNI from secrets, follows their changes, and sends plain requests on', async () => {
    const authority = await createAuthority('test');
    const certificate = async (commonName: string) => {
      const { cert, key } = await issueCertificate(authority, {
        commonName,
        usages: ['server'],
        dnsNames: ['t.test'],
      });
      const data = {
        'tls.crt': Buffer.from(cert).toString('base64'),
        'tls.key': Buffer.from(key).toString('base64'),
      };
      informers.put(Secret, { metadata: { name: 'cert' }, type: 'kubernetes.io/tls', data });
    };
    await certificate('first');
    await ingress('tls', {
      ...paths('t.test', ['/', 'Prefix', 'web']),
      tls: [{ hosts: ['t.test'], secretName: 'cert' }],
    });
    assert.equal(served(await get('t.test', '/', { tls: true })), 'web-0');
    assert.equal(await subjectOf('t.test'), 'first');
    const plain = await get('t.test', '/x');
    assert.deepEqual([plain.status, plain.headers.location], [308, 'https://t.test/x']);
    await certificate('second');
    await controller.settled();
    assert.equal(await subjectOf('t.test'), 'second');
    assert.equal(await subjectOf('a.test'), 'Kubernetes Ingress Controller Fake Certificate');
    informers.put(Secret, { metadata: { name: 'cert' }, data: { 'tls.crt': 'bm8=', 'tls.key': 'bm8=' } });
    await controller.settled();
    assert.equal(served(await get('a.test', '/')), 'web-0', 'everything else keeps serving');
    assert.ok(
      events.some((event) =>
        /^Warning InvalidCertificate secret "default\/cert" has a certificate or key that cannot be read/.test(
          event,
        ),
      ),
    );
  });

  async function subjectOf(host: string): Promise<string> {
    const asking = secureRequest({
      host: '127.0.0.1',
      port: ports.https,
      servername: host,
      headers: { host },
      rejectUnauthorized: false,
      agent: false,
    });
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    const { CN } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate().subject;
    response.resume();
    return String(CN);
  }

  it('warns of services and ports that are not there, and answers 503 for them', async () => {
    await ingress('lost', paths('lost.test', ['/', 'Prefix', 'nobody']));
    assert.equal((await get('lost.test', '/')).status, 503);
    assert.ok(events.includes('Warning ServiceNotFound service "default/nobody" does not exist'));
    assert.equal(served(await get('a.test', '/')), 'web-0');
  });

  it('leaves out an Ingress that claims what an older one serves', async () => {
    await ingress('late', paths('a.test', ['/api', 'Prefix', 'web']));
    assert.equal(served(await get('a.test', '/api')), 'api-0');
    assert.ok(
      events.some((event) =>
        event.includes('host "a.test" and path "/api" are already defined in ingress default/a'),
      ),
    );
  });

  it('passes WebSockets through', async () => {
    const socket = connect(ports.http, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 101 /);
    socket.write('echo');
    assert.equal(String(await once(socket, 'data')), 'echo');
    await ingress('reloads', paths('reload.test', ['/', 'Prefix', 'web']));
    socket.write('still there');
    assert.equal(String(await once(socket, 'data')), 'still there', 'after a reload');
    socket.destroy();
  });

  it('spreads requests, or keeps a client at its server by a cookie', async () => {
    await ingress('spread', paths('spread.test', ['/', 'Prefix', 'many']));
    const names = new Set<unknown>();
    for (let index = 0; index < 12; index++) names.add(served(await get('spread.test', '/')));
    assert.equal(names.size, 3);
    await ingress('sticky', paths('sticky.test', ['/', 'Prefix', 'many']), {
      affinity: 'cookie',
      'session-cookie-name': 'route',
    });
    const first = await get('sticky.test', '/');
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!;
    assert.match(cookie, /^route=/);
    for (let index = 0; index < 6; index++)
      assert.equal(served(await get('sticky.test', '/', { headers: { cookie } })), served(first));
  });

  it('speaks HTTP/2 to clients and servers, as gRPC wants it, trailers included', async () => {
    const server = createHttp2Server();
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    put('rpc', [(server.address() as AddressInfo).port]);
    await ingress('rpc', paths('rpc.test', ['/', 'Prefix', 'rpc']), { 'backend-protocol': 'GRPC' });
    const session = connectHttp2(`https://127.0.0.1:${ports.https}`, {
      servername: 'rpc.test',
      rejectUnauthorized: false,
    });
    const stream = session.request({
      ':path': '/x.Y/Z',
      ':method': 'POST',
      ':authority': 'rpc.test',
      te: 'trailers',
    });
    const trailers = once(stream, 'trailers');
    stream.write('first');
    assert.equal(String(await once(stream, 'data')), 'first', 'both ways at once');
    stream.end('second');
    assert.equal(String(await once(stream, 'data')), 'second');
    assert.equal(((await trailers) as [Record<string, string>])[0]['grpc-status'], '0');
    session.close();
    server.close();
  });

  it('limits sources and bodies', async () => {
    await ingress('closed', paths('closed.test', ['/', 'Prefix', 'web']), {
      'whitelist-source-range': '10.0.0.0/8, 192.168.0.1',
    });
    assert.equal((await get('closed.test', '/')).status, 403);
    await ingress('small', paths('small.test', ['/', 'Prefix', 'web']), { 'proxy-body-size': '1k' });
    assert.equal((await get('small.test', '/', { body: 'x'.repeat(1000) })).status, 200);
    assert.equal((await get('small.test', '/', { body: 'x'.repeat(2000) })).status, 413);
  });

  it('asks for passwords, in the formats of htpasswd', async () => {
    informers.put(Secret, {
      metadata: { name: 'users' },
      data: { auth: Buffer.from('sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n').toString('base64') },
    });
    await ingress('auth', paths('auth.test', ['/', 'Prefix', 'web']), {
      'auth-type': 'basic',
      'auth-secret': 'users',
      'auth-realm': 'Members',
    });
    const none = await get('auth.test', '/');
    assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Basic realm="Members"']);
    const as = (name: string, password: string) =>
      get('auth.test', '/', {
        headers: { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` },
      });
    assert.equal((await as('sha', 'secret')).status, 200);
    assert.equal((await as('sha', 'wrong')).status, 401);
    const apr1 = execFileSync('openssl', [
      'passwd',
      '-apr1',
      '-salt',
      'abcdefgh',
      'a longer password, really',
    ])
      .toString()
      .trim();
    const sha512 = execFileSync('openssl', ['passwd', '-6', '-salt', 'abcdefgh', 'secret']).toString().trim();
    informers.put(Secret, {
      metadata: { name: 'users' },
      data: { auth: Buffer.from(`apr:${apr1}\ncrypt:${sha512}\n`).toString('base64') },
    });
    await controller.settled();
    assert.equal((await as('apr', 'a longer password, really')).status, 200);
    assert.equal((await as('crypt', 'secret')).status, 200);
    assert.equal((await as('sha', 'secret')).status, 401);
  });

  it('gives a canary its share, by header and by weight', async () => {
    await ingress('main', paths('canary.test', ['/', 'Prefix', 'web']));
    await ingress('canary', paths('canary.test', ['/', 'Prefix', 'new']), {
      canary: 'true',
      'canary-weight': '30',
      'canary-by-header': 'x-canary',
    });
    assert.equal(served(await get('canary.test', '/', { headers: { 'x-canary': 'always' } })), 'new-0');
    assert.equal(served(await get('canary.test', '/', { headers: { 'x-canary': 'never' } })), 'web-0');
    let canaries = 0;
    for (let index = 0; index < 200; index++)
      if (served(await get('canary.test', '/')) === 'new-0') canaries++;
    assert.ok(canaries > 25 && canaries < 105, `${canaries} of 200`);
  });

  it('follows endpoints without a reload, and drops no request meanwhile', async () => {
    const pid = readFileSync(join(folder, 'run', 'haproxy.pid'), 'utf8');
    const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').at(-1);
    const worker = children();
    const all = [...informers.of(EndpointSlice).list()]
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'many')
      .map(({ ports: list }) => list![0]!.port!);
    const failures: unknown[] = [];
    let isDone = false;
    const load = (async () => {
      while (!isDone) {
        const answer = await get('spread.test', '/');
        if (answer.status !== 200) failures.push(answer.status);
      }
    })();
    for (let round = 0; round < 20; round++) {
      put('many', all.slice(round % 2, (round % 2) + 2));
      await controller.settled();
    }
    isDone = true;
    await load;
    assert.deepEqual(failures, []);
    assert.equal(children(), worker);
    put('many', all.slice(0, 1));
    await controller.settled();
    const names = new Set<unknown>();
    for (let index = 0; index < 6; index++) names.add(served(await get('spread.test', '/')));
    assert.equal(names.size, 1);
  });

  it('asks another server when one hangs up, for requests that may be done twice', async () => {
    let hangUps = 0;
    const dying = createServer((message) => {
      hangUps++;
      message.socket.destroy();
    });
    dying.listen(0, '127.0.0.1');
    await once(dying, 'listening');
    servers.push(dying);
    const good = createServer((_message, response) => response.end(JSON.stringify({ name: 'good' })));
    good.listen(0, '127.0.0.1');
    await once(good, 'listening');
    servers.push(good);
    put(
      'half',
      [dying, good].map((server) => (server.address() as AddressInfo).port),
    );
    await ingress('half', paths('half.test', ['/', 'Prefix', 'half']));
    for (let index = 0; index < 6; index++) assert.equal(served(await get('half.test', '/')), 'good');
    assert.ok(hangUps > 0);
    hangUps = 0;
    const posts = [];
    for (let index = 0; index < 6; index++) posts.push((await get('half.test', '/', { body: 'x' })).status);
    assert.ok(posts.includes(502), posts.join());
    assert.equal(hangUps, posts.filter((status) => status === 502).length, 'none was done twice');
  });

  it('drops no request while it reloads', async () => {
    const failures: unknown[] = [];
    let count = 0;
    let isDone = false;
    const load = (async () => {
      while (!isDone) {
        const answer = await get('a.test', '/').catch((error: Error) => ({ status: error.message }));
        if (answer.status !== 200) failures.push(answer.status);
        count++;
      }
    })();
    for (let round = 0; round < 5; round++)
      await ingress('reloads', paths(`reload${round}.test`, ['/', 'Prefix', 'web']));
    isDone = true;
    await load;
    assert.deepEqual(failures, []);
    assert.ok(count > 20);
  });

  it('serves the others when a value of one Ingress cannot be configured', async () => {
    await ingress('broken', paths('broken.test', ['/', 'Prefix', 'web']), {
      'rewrite-target': '/$2',
      'use-regex': 'true',
    });
    await ingress('fine', paths('fine.test', ['/', 'Prefix', 'web']));
    assert.equal(served(await get('fine.test', '/')), 'web-0');
  });

  it('starts HAProxy again when it has died', async () => {
    const pid = () => readFileSync(join(folder, 'run', 'haproxy.pid'), 'utf8');
    const first = pid();
    process.kill(Number(first), 'SIGKILL');
    while (pid() === first) await setTimeout(20);
    await controller.settled();
    assert.equal(served(await get('a.test', '/')), 'web-0');
  });

  it('writes an access log', () => {
    assert.match(readFileSync(logFile, 'utf8'), /127\.0\.0\.1 - - \[.*\] "GET \/ HTTP\/1\.1" 200 /);
  });
});

function hasHaproxy(): boolean {
  try {
    execFileSync('haproxy', ['-v']);
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}

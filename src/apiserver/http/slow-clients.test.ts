import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { startAggregatedServer } from '../aggregation/aggregated-server.fixture.ts';
import type { Attributes, Decision } from '../authorization/authorizer.ts';
import { AuthorizationChain } from '../authorization/configured-authorization.ts';
import { configMap, configMaps, mergePatch } from '../server.fixture.ts';
import { createListeningServer, type ListeningServer, type Send } from './listener.fixture.ts';

suite('slow clients', () => {
  let listening: ListeningServer;
  let admin: Send;

  before(async () => {
    listening = await createListeningServer({ requestTimeoutMs: 1_000, headTimeoutMs: 1_000 });
    admin = await listening.as('admin', ['system:masters']);
  });
  after(() => listening[Symbol.asyncDispose]());

  function dial(): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(
        { host: '127.0.0.1', port: listening.port, ca: listening.ca, ALPNProtocols: ['http/1.1'] },
        () => resolve(socket),
      );
      socket.on('error', reject);
    });
  }

  /** All that comes until the server ends the connection. */
  async function readToEnd(socket: TLSSocket): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }

  test('a head that never ends is cut off', async () => {
    const socket = await dial();
    socket.write('GET /version HTTP/1.1\r\nhost: x\r\nx-a: ');
    assert.match(await readToEnd(socket), /^(HTTP\/1\.1 408|$)/);
  });

  test('a body that does not come is answered 504, and its connection ends', async () => {
    const socket = await dial();
    socket.write(
      'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    );
    const answer = await readToEnd(socket);
    const slow = await admin('GET', '/version');
    assert.equal(slow.status, 200, 'others are served meanwhile');
    assert.match(answer, /^HTTP\/1\.1 (504|403)/);
  });

  test('an administrator who sends no body gets upstream’s error', async () => {
    const reply = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      void listening.connect('admin', ['system:masters']).then((identity) => {
        const session = connectHttp2(`https://127.0.0.1:${listening.port}`, identity);
        session.on('error', reject);
        const stream = session.request({ ':method': 'POST', ':path': `${configMaps}?timeout=300ms` });
        let status = 0;
        let body = '';
        stream.on('response', (headers) => {
          status = Number(headers[':status']);
        });
        stream.on('data', (chunk) => {
          body += chunk;
        });
        stream.on('close', () => {
          session.destroy();
          resolve({ status, body });
        });
        stream.write('{');
      });
    });
    assert.equal(reply.status, 504);
    const { reason, message, code } = JSON.parse(reply.body);
    assert.deepEqual(
      { reason, message, code },
      {
        reason: 'Timeout',
        message: 'Timeout: request did not complete within the allotted timeout',
        code: 504,
      },
    );
  });

  test('a head of many kilobytes is read, one of more than a megabyte refused', async () => {
    const long = await admin('GET', '/version', { 'x-long': 'x'.repeat(200_000) });
    assert.equal(long.status, 200);
    const socket = await dial();
    socket.write(`GET /version HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(1_100_000)}\r\n\r\n`);
    // The refusal may be lost when the connection ends while the client still writes.
    const answer = await readToEnd(socket).catch((error: NodeJS.ErrnoException) => error.code);
    assert.match(String(answer), /^(HTTP\/1\.1 431|ECONNRESET|$)/);
  });

  /** Leaves one seat to those whom no other flow schema takes, and no place to wait. */
  async function narrowDefaultLevel(send: Send): Promise<void> {
    const narrow = JSON.stringify({
      spec: {
        limited: {
          nominalConcurrencyShares: 0,
          borrowingLimitPercent: 0,
          limitResponse: { type: 'Reject', queuing: null },
        },
      },
    });
    const changed = await send('PATCH', `${levels}/global-default`, { 'content-type': mergePatch }, narrow);
    assert.equal(changed.status, 200, changed.body.toString());
  }

  /** Allows them everything, at the level that everybody has. */
  async function administrators(send: Send, names: readonly string[]): Promise<void> {
    const apiGroup = 'rbac.authorization.k8s.io';
    const body = JSON.stringify({
      metadata: { name: 'people' },
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: names.map((name) => ({ kind: 'User', name, apiGroup })),
    });
    const path = `/apis/${apiGroup}/v1/clusterrolebindings`;
    const made = await send('POST', path, { 'content-type': 'application/json' }, body);
    assert.equal(made.status, 201, made.body.toString());
  }

  const levels = '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations';

  /** Allows everything, what has to do with `slow` only when asked to. */
  function slowAuthorization(slow: string) {
    const asked = Promise.withResolvers<void>();
    const decision = Promise.withResolvers<Decision>();
    const ask = ({ namespace }: Attributes): Decision | Promise<Decision> => {
      if (namespace !== slow) return { allowed: true };
      asked.resolve();
      return decision.promise;
    };
    const authorization = new AuthorizationChain([{ type: 'Webhook', name: 'slow', ask }]);
    return { authorization, asked: asked.promise, decide: () => decision.resolve({ allowed: true }) };
  }

  test('a client with too many concurrent requests gets 429 by the configured level, and others do not', async () => {
    const { authorization, asked, decide } = slowAuthorization('slow');
    // With the usual time for a request: this one is under way while all the others are made.
    await using server = await createListeningServer({ security: { authorization } });
    const admin = await server.as('admin', ['system:masters']);
    await narrowDefaultLevel(admin);
    const jane = await server.as('jane');
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, await server.connect('jane'));
    const held = jane('GET', '/api/v1/namespaces/slow/configmaps');
    await asked;
    const refused = await jane('GET', configMaps);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['retry-after'], '1');
    assert.equal(refused.body.toString(), 'Too many requests, please try again later.\n');
    const { object } = await server.server.ask('GET', `${levels}/global-default`);
    assert.equal(refused.headers['x-kubernetes-pf-prioritylevel-uid'], object.metadata.uid);
    assert.equal((await admin('GET', configMaps)).status, 200);
    assert.equal(
      (await jane('GET', `${configMaps}?watch=true`)).status,
      429,
      'a watch begins like any request',
    );
    const levelsDump = await admin('GET', '/debug/api_priority_and_fairness/dump_priority_levels');
    assert.match(levelsDump.body.toString(), /^global-default, +0, +false, +false, +0, +1, +[1-9]/m);
    const metrics = (await admin('GET', '/metrics')).body.toString();
    assert.match(
      metrics,
      /apiserver_flowcontrol_current_executing_requests\{flow_schema="global-default",priority_level="global-default"\} 1/,
    );
    assert.match(
      metrics,
      /apiserver_flowcontrol_rejected_requests_total\{flow_schema="global-default",priority_level="global-default",reason="concurrency-limit"\} [1-9]/,
    );
    assert.match(metrics, /apiserver_flowcontrol_nominal_limit_seats\{priority_level="workload-low"\} \d+/);
    decide();
    assert.equal((await held).status, 200);
    const watch = session.request({ ':path': `${configMaps}?watch=true` });
    const [headers] = await once(watch, 'response');
    assert.equal(headers[':status'], 200);
    assert.equal((await jane('GET', configMaps)).status, 200, 'and holds no seat once it has begun');
    session.destroy();
  });

  test('a client that leaves while its rights are asked for gives its seat back', async () => {
    const { authorization, asked, decide } = slowAuthorization('default');
    await using server = await createListeningServer({ security: { authorization } });
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, await server.connect('jane'));
    const stream = session.request({ ':method': 'POST', ':path': configMaps });
    stream.on('error', () => undefined);
    stream.end('{}');
    await asked;
    session.destroy();
    await once(session, 'close');
    const look = await server.as('admin', ['system:masters']);
    const executing = async () => {
      const { body } = await look('GET', '/debug/api_priority_and_fairness/dump_priority_levels');
      return body
        .toString()
        .match(/^global-default,.*$/m)?.[0]
        .split(/,\s*/)[5];
    };
    assert.equal(await executing(), '1');
    decide();
    while ((await executing()) !== '0') await new Promise((resolve) => setImmediate(resolve));
  });

  test('two hundred clients that send a byte at a time hold up nobody of their level', async () => {
    await using server = await createListeningServer();
    const admin = await server.as('admin', ['system:masters']);
    await narrowDefaultLevel(admin);
    await administrators(admin, ['jane', 'mallory']);
    const jane = await server.as('jane');
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, await server.connect('mallory'));
    await once(session, 'connect');
    const body = JSON.stringify(configMap('slow'));
    const slow = Array.from({ length: 200 }, (_, index) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': `/api/v1/namespaces/default/configmaps?n=${index}`,
        'content-type': 'application/json',
        'content-length': String(body.length),
      });
      stream.on('error', () => undefined);
      return stream;
    });
    // All but the last byte.
    for (let sent = 0; sent < body.length - 1; sent++) {
      for (const stream of slow) stream.write(body[sent]!);
      const created = await jane(
        'POST',
        configMaps,
        { 'content-type': 'application/json' },
        JSON.stringify(configMap(`quick-${sent}`)),
      );
      assert.equal(created.status, 201, created.body.toString());
    }
    session.destroy();
  });

  test('a client whose long body for an aggregated server does not come to its end holds no seat', async () => {
    let arrived = Promise.withResolvers<'arrived'>();
    await using backend = await startAggregatedServer(async (request, response) => {
      let sizeBytes = 0;
      if (request.method === 'POST') arrived.resolve('arrived');
      for await (const chunk of request) sizeBytes += (chunk as Buffer).length;
      const answer = request.method === 'POST' ? { sizeBytes } : { resources: [] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    await using server = await createListeningServer({ dialService: backend.dialService });
    await backend.register(server.server.ask);
    const admin = await server.as('admin', ['system:masters']);
    await narrowDefaultLevel(admin);
    await administrators(admin, ['jane', 'mallory']);
    const jane = await server.as('jane');
    const flunders = '/apis/wardle.example.com/v1/flunders';
    while ((await jane('GET', flunders)).status !== 200) await systemClock.sleep(20);
    const session = connectHttp2(`https://127.0.0.1:${server.port}`, await server.connect('mallory'));
    session.on('error', () => undefined);
    const begin = async (headers: Record<string, string>) => {
      arrived = Promise.withResolvers();
      const stream = session.request({ ':method': 'POST', ':path': flunders, ...headers });
      stream.on('error', () => undefined);
      stream.write(Buffer.alloc(4_000_000));
      const refused = once(stream, 'response').then(([answer]) => answer[':status'] as number);
      assert.equal(await Promise.race([arrived.promise, refused]), 'arrived');
      return stream;
    };
    const stalled = [await begin({ 'content-length': '4000001' }), await begin({})];
    for (let count = 0; count < 10; count++) assert.equal((await jane('GET', configMaps)).status, 200);
    for (const stream of stalled) {
      stream.end('x');
      stream.setEncoding('utf8');
      let text = '';
      for await (const piece of stream) text += piece;
      assert.deepEqual(JSON.parse(text), { sizeBytes: 4_000_001 });
    }
    session.destroy();
  });

  test('a client whose bodies fill the memory for them loses the oldest, and others none', async () => {
    await using server = await createListeningServer({ requestBodyBytesMax: 4 * 1024 * 1024 });
    const admin = await server.as('admin', ['system:masters']);
    const session = connectHttp2(
      `https://127.0.0.1:${server.port}`,
      await server.connect('mallory', ['system:masters']),
    );
    const streams = Array.from({ length: 6 }, (_, index) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': `${configMaps}?n=${index}`,
        'content-type': 'application/json',
      });
      stream.on('error', () => undefined);
      stream.write(Buffer.alloc(1024 * 1024, 0x20));
      return stream;
    });
    for (const [headers] of await Promise.all(streams.slice(0, 2).map((stream) => once(stream, 'response'))))
      assert.equal(headers[':status'], 429);
    const large = JSON.stringify(configMap('large', { text: 'x'.repeat(1_000_000) }));
    const created = await admin('POST', configMaps, { 'content-type': 'application/json' }, large);
    assert.equal(created.status, 201);
    session.destroy();
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { mock, test } from 'node:test';
import { connect } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { MetricsRegistry } from '../../base/metrics.ts';
import { freePort } from '../../base/system/free-ports.fixture.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import type { Kubelet } from '../kubelet.ts';
import { parseTarget, startKubeletServer } from './server.ts';

test('the target of a request is a path, or a URL, or refused', () => {
  const rows: [target: string, path: string | undefined][] = [
    ['/healthz?x=1', '/healthz'],
    ['//healthz', '//healthz'],
    ['//', '//'],
    ['//[', '//['],
    ['http://node:10250/pods', '/pods'],
    ['*', undefined],
    ['http://[', undefined],
  ];
  for (const [target, path] of rows) assert.equal(parseTarget(target)?.pathname, path, target);
});

test('no request target, from whatever client, ends the agent', async () => {
  const authority = await createAuthority('test');
  const pair = await issueCertificate(authority, { commonName: 'node', usages: ['server'] });
  const port = await freePort();
  const context = { clock: systemClock, logger: silentLogger, client: {}, node: () => ({ nodeName: 'n' }) };
  const stop = new AbortController();
  await startKubeletServer(
    { context } as unknown as Kubelet,
    {
      host: '127.0.0.1',
      port,
      tls: { ...pair, clientCa: authority.cert },
      metrics: new MetricsRegistry(),
    },
    stop.signal,
  );
  const upgrade = 'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n';
  const ask = async (target: string, headers = 'Connection: close\r\n') => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    socket.end(`GET ${target} HTTP/1.1\r\nHost: node\r\n${headers}\r\n`);
    const parts: Buffer[] = [];
    socket.on('data', (part) => parts.push(part));
    await once(socket, 'end');
    return Buffer.concat(parts).toString().split('\r\n')[0];
  };
  assert.equal(await ask('http://['), 'HTTP/1.1 400 Bad Request');
  assert.equal(await ask('http://[', upgrade), 'HTTP/1.1 400 Bad Request');
  assert.equal(await ask('//'), 'HTTP/1.1 401 Unauthorized');
  assert.equal(await ask('//', upgrade), 'HTTP/1.1 401 Unauthorized');
  stop.abort();
});

test('a connection that cannot be accepted does not end the agent; one that is silent is looked after', async () => {
  const authority = await createAuthority('test');
  const pair = await issueCertificate(authority, { commonName: 'node', usages: ['server'] });
  const port = await freePort();
  const logged: string[] = [];
  const logger = {
    ...silentLogger,
    for: () => ({ ...silentLogger, error: (text: string) => logged.push(text) }),
  };
  const context = { clock: systemClock, logger, client: {}, node: () => ({ nodeName: 'n' }) };
  const stop = new AbortController();
  let made!: https.Server;
  const original = https.createServer;
  mock.method(https, 'createServer', (options: https.ServerOptions) => {
    made = original(options);
    return made;
  });
  syncBuiltinESMExports();
  try {
    await startKubeletServer(
      { context } as unknown as Kubelet,
      { host: '127.0.0.1', port, tls: { ...pair, clientCa: authority.cert }, metrics: new MetricsRegistry() },
      stop.signal,
    );
  } finally {
    mock.restoreAll();
    syncBuiltinESMExports();
  }
  made.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  assert.deepEqual(logged, ['listener']);
  const kept: unknown[] = [];
  made.prependListener('secureConnection', (socket) => {
    mock.method(socket, 'setKeepAlive', (...args: unknown[]) => kept.push(args));
  });
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  socket.end('GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n');
  socket.resume();
  await once(socket, 'close');
  assert.deepEqual(kept, [[true, 30_000]]);
  stop.abort();
});

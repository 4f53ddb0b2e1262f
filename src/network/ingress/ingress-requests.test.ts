import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Secret } from '../../api/resources.gen.ts';
import { IngressFixture, paths, seen, served, suiteOptions } from './ingress.fixture.ts';

describe('requests through an ingress', suiteOptions, () => {
  const fixture = new IngressFixture();
  before(() => fixture.start());
  after(() => fixture.stop());

  it('rewrites paths, whole or by groups', async () => {
    await fixture.ingress('whole', paths('w.test', ['/foo', 'Prefix', 'web']), { 'rewrite-target': '/' });
    assert.equal(seen(await fixture.get('w.test', '/foo/bar?q=1')).url, '/?q=1');
    await fixture.ingress(
      'groups',
      paths('g.test', ['/something(/|$)(.*)', 'ImplementationSpecific', 'web']),
      {
        'rewrite-target': '/$2',
      },
    );
    assert.equal(seen(await fixture.get('g.test', '/something/new?q=1')).url, '/new?q=1');
    assert.equal(seen(await fixture.get('g.test', '/something')).url, '/');
    assert.equal(served(await fixture.get('g.test', '/other')), 404);
  });

  it('passes WebSockets through', async () => {
    await fixture.ingress('socket', paths('socket.test', ['/', 'Prefix', 'web']));
    const socket = connect(fixture.ports.http, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: socket.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 101 /);
    socket.write('echo');
    assert.equal(String(await once(socket, 'data')), 'echo');
    await fixture.ingress('reloads', paths('reload.test', ['/', 'Prefix', 'web']));
    socket.write('still there');
    assert.equal(String(await once(socket, 'data')), 'still there', 'after a reload');
    socket.destroy();
  });

  it('spreads requests, or keeps a client at its server by a cookie', async () => {
    await fixture.ingress('spread', paths('spread.test', ['/', 'Prefix', 'many']));
    const names = new Set<unknown>();
    for (let index = 0; index < 12; index++) names.add(served(await fixture.get('spread.test', '/')));
    assert.equal(names.size, 3);
    await fixture.ingress('sticky', paths('sticky.test', ['/', 'Prefix', 'many']), {
      affinity: 'cookie',
      'session-cookie-name': 'route',
    });
    const first = await fixture.get('sticky.test', '/');
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!;
    assert.match(cookie, /^route=/);
    for (let index = 0; index < 6; index++)
      assert.equal(served(await fixture.get('sticky.test', '/', { headers: { cookie } })), served(first));
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
    fixture.put('rpc', [(server.address() as AddressInfo).port]);
    await fixture.ingress('rpc', paths('rpc.test', ['/', 'Prefix', 'rpc']), { 'backend-protocol': 'GRPC' });
    const session = connectHttp2(`https://127.0.0.1:${fixture.ports.https}`, {
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
    await fixture.ingress('closed', paths('closed.test', ['/', 'Prefix', 'web']), {
      'whitelist-source-range': '10.0.0.0/8, 192.168.0.1',
    });
    assert.equal((await fixture.get('closed.test', '/')).status, 403);
    await fixture.ingress('small', paths('small.test', ['/', 'Prefix', 'web']), { 'proxy-body-size': '1k' });
    assert.equal((await fixture.get('small.test', '/', { body: 'x'.repeat(1000) })).status, 200);
    assert.equal((await fixture.get('small.test', '/', { body: 'x'.repeat(2000) })).status, 413);
  });

  it('asks for passwords, in the formats of htpasswd', async () => {
    fixture.informers.put(Secret, {
      metadata: { name: 'users' },
      data: { auth: Buffer.from('sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n').toString('base64') },
    });
    await fixture.ingress('auth', paths('auth.test', ['/', 'Prefix', 'web']), {
      'auth-type': 'basic',
      'auth-secret': 'users',
      'auth-realm': 'Members',
    });
    const none = await fixture.get('auth.test', '/');
    assert.deepEqual([none.status, none.headers['www-authenticate']], [401, 'Basic realm="Members"']);
    const as = (name: string, password: string) =>
      fixture.get('auth.test', '/', {
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
    fixture.informers.put(Secret, {
      metadata: { name: 'users' },
      data: { auth: Buffer.from(`apr:${apr1}\ncrypt:${sha512}\n`).toString('base64') },
    });
    await fixture.settled();
    assert.equal((await as('apr', 'a longer password, really')).status, 200);
    assert.equal((await as('crypt', 'secret')).status, 200);
    assert.equal((await as('sha', 'secret')).status, 401);
  });

  it('lets nobody in by the passwords of another namespace', async () => {
    const auth = Buffer.from('sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n').toString('base64');
    fixture.informers.put(Secret, { metadata: { name: 'strangers', namespace: 'other' }, data: { auth } });
    await fixture.ingress('foreign', paths('foreign.test', ['/', 'Prefix', 'web']), {
      'auth-type': 'basic',
      'auth-secret': 'other/strangers',
    });
    const authorization = `Basic ${Buffer.from('sha:secret').toString('base64')}`;
    assert.equal((await fixture.get('foreign.test', '/', { headers: { authorization } })).status, 401);
    assert.ok(
      fixture.events.includes(
        'Warning InvalidSecret secret "other/strangers" with the users is of another namespace',
      ),
    );
    assert.ok(!fixture.informers.followed.has('metadata.name=strangers'), 'it is not even read');
  });

  it('gives a canary its share, by header and by weight', async () => {
    await fixture.ingress('main', paths('canary.test', ['/', 'Prefix', 'web']));
    await fixture.ingress('canary', paths('canary.test', ['/', 'Prefix', 'new']), {
      canary: 'true',
      'canary-weight': '30',
      'canary-by-header': 'x-canary',
    });
    assert.equal(
      served(await fixture.get('canary.test', '/', { headers: { 'x-canary': 'always' } })),
      'new-0',
    );
    assert.equal(
      served(await fixture.get('canary.test', '/', { headers: { 'x-canary': 'never' } })),
      'web-0',
    );
    let canaries = 0;
    for (let index = 0; index < 200; index++)
      if (served(await fixture.get('canary.test', '/')) === 'new-0') canaries++;
    assert.ok(canaries > 25 && canaries < 105, `${canaries} of 200`);
  });
});

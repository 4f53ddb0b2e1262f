import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import { exchange, relayUpgrade } from './http-over.ts';

test('an exchange works on a connection that was read before and paused since', async () => {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const listener = () => undefined;
  socket.on('data', listener);
  socket.off('data', listener);
  socket.pause();
  const answer = await exchange(socket, { method: 'GET', path: '/', headers: { host: 'x' } });
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), 'hello');
  server.close();
});

async function answered(answer: string, path: string): Promise<{ outcome: unknown; socket: Socket }> {
  const server = createTcpServer((peer) => {
    peer.on('error', () => undefined); // The other side may close it at any time.
    peer.once('data', () => peer.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const asked = exchange(socket, { method: 'GET', path, headers: { host: 'x' } });
  const outcome = await asked.catch((error: Error) => error);
  server.close();
  return { outcome, socket };
}

test('an upgrade that was not requested ends the exchange', { timeout: 5_000 }, async () => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n';
  const { outcome, socket } = await answered(head, '/');
  assert.match(String(outcome), /error trying to reach service: unexpected answer 101/);
  assert.ok(socket.destroyed);
});

test('a status that HTTP does not know is no answer', { timeout: 5_000 }, async () => {
  for (const status of ['007', '101']) {
    const { outcome, socket } = await answered(`HTTP/1.1 ${status} x\r\n\r\n`, '/');
    assert.match(String(outcome), new RegExp(`unexpected answer ${Number(status)}$`));
    assert.ok(socket.destroyed);
  }
});

test('an invalid request leaves no connection open', { timeout: 5_000 }, async () => {
  const { outcome, socket } = await answered('', '/a b');
  assert.match(String(outcome), /unescaped characters/);
  assert.ok(socket.destroyed);
});

/** A client that asks for an upgrade and at once says more, and a target that answers with `answer`. */
async function upgraded(answer: string) {
  const received: string[] = [];
  const heard = new EventEmitter();
  const server = createTcpServer((peer) => {
    peer.on('error', () => undefined);
    peer.once('data', () => peer.write(answer));
    peer.on('data', (data) => {
      received.push(data.toString());
      heard.emit('more');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const target = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(target, 'connect');
  const [socket, client] = duplexPair();
  const headers = { host: 'x', upgrade: 'talk', 'content-length': '9', connection: 'keep-alive, Upgrade' };
  const head = Buffer.from('GET /second HTTP/1.1\r\nX-Remote-User: admin\r\n\r\n');
  const outcome = await relayUpgrade({ socket, head }, target, { method: 'GET', path: '/', headers }).catch(
    (error: StatusError) => error,
  );
  server.close();
  return { outcome, received, heard, target, client };
}

test('a target that agrees to an upgrade gets what the client says, and the client what it answers', {
  timeout: 5_000,
}, async () => {
  const { outcome, received, heard, client } = await upgraded(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: talk\r\nConnection: Upgrade\r\nX-A: b\r\n\r\nhello',
  );
  assert.deepEqual(outcome, { type: 'hijacked' });
  let answered = '';
  for await (const chunk of client.iterator({ destroyOnReturn: false })) {
    answered += String(chunk);
    if (answered.endsWith('hello')) break;
  }
  assert.equal(
    answered,
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: talk\r\nConnection: Upgrade\r\nX-A: b\r\n\r\nhello',
  );
  while (received.length < 2) await once(heard, 'more');
  const [asked = '', said] = received;
  assert.match(asked, /^GET \/ HTTP\/1.1\r\n(.+\r\n)*upgrade: talk\r\n/i);
  assert.doesNotMatch(asked, /content-length/i);
  assert.match(String(said), /^GET \/second /);
  client.destroy();
});

test('a target that refuses an upgrade gets nothing else from the client', { timeout: 5_000 }, async () => {
  const { outcome, received, target } = await upgraded(
    'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-A: b\r\nConnection: keep-alive\r\n\r\nno',
  );
  assert.ok(!(outcome instanceof Error) && outcome.type === 'stream');
  assert.deepEqual([outcome.status, outcome.headers], [403, { 'content-length': '2', 'x-a': 'b' }]);
  assert.equal(String(await text(outcome.body)), 'no');
  if (!target.destroyed) await once(target, 'close');
  assert.equal(received.length, 1);
  assert.doesNotMatch(received[0]!, /second/);
});

test('an answer that is neither an upgrade nor a refusal is an error', { timeout: 5_000 }, async () => {
  const { outcome, received, target } = await upgraded('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  assert.ok(outcome instanceof StatusError);
  assert.deepEqual([outcome.code, outcome.message], [500, 'invalid upgrade response: status code 200']);
  assert.ok(target.destroyed);
  assert.equal(received.length, 1);
});

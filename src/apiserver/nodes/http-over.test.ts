import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { exchange } from './http-over.ts';

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

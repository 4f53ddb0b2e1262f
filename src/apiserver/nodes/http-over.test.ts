import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
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

import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { openTunnel } from './tunnel.ts';

test('a tunnel to where nothing listens is refused with the reason in the head', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const [client, node] = duplexPair();
  openTunnel(`127.0.0.1:${port}`, node, Buffer.alloc(0));
  client.end();
  assert.equal(
    await text(client),
    'HTTP/1.1 502 Bad Gateway\r\nDial-Error: connect: connection refused\r\nContent-Length: 0\r\n\r\n',
  );
});

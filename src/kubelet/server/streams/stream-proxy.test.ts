import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openSpdy } from './stream-proxy.ts';

test('when a runtime ends in the middle of its answer, the rest is not waited for', async () => {
  const server = createServer((_, response) => {
    response.writeHead(500, { 'Content-Length': 100 });
    response.write('half of', () => response.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await assert.rejects(openSpdy(`http://127.0.0.1:${port}/exec/x`, 'v4.channel.k8s.io'), {
    code: 'ECONNRESET',
  });
  server.close();
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ObjectReader } from '../object-reader.ts';
import { connectEndpoint, serviceDialer } from './endpoints.ts';
import { NodeConnector } from './node-connector.ts';

test('a service that is another name for a host outside is reached there, on the port that is asked for', async () => {
  const server = createServer((socket) => socket.end('hello')).listen(0, 'localhost');
  await once(server, 'listening');
  try {
    const spec = { type: 'ExternalName', externalName: 'localhost' };
    const objects = sparse<ObjectReader>({ get: () => ({ spec }), list: () => [] });
    const dial = serviceDialer(objects, {} as NodeConnector, seededRandom(1));
    const socket = await dial('shop', 'outside', (server.address() as AddressInfo).port);
    const [data] = await once(socket, 'data');
    assert.equal(String(data), 'hello');
    socket.destroy();
  } finally {
    server.close();
  }
});

test('a service is not reached on a port that it does not have, nor without a ready endpoint', async () => {
  const spec = { type: 'ClusterIP', ports: [{ name: 'web', port: 80 }] };
  const objects = sparse<ObjectReader>({ get: () => ({ spec }), list: () => [] });
  const dial = serviceDialer(objects, {} as NodeConnector, seededRandom(1));
  const noPort = { code: 503, message: 'no service port 443 found for service "hook"' };
  await assert.rejects(dial('shop', 'hook', 443), noPort);
  const noEndpoint = { code: 503, message: 'no endpoints available for service "hook"' };
  await assert.rejects(dial('shop', 'hook', 80), noEndpoint);
});

test('an endpoint that is on no node is reached directly where nodes are simulated, and one that is on a node not at all', async () => {
  const server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const ready = { type: 'Ready', status: 'True' };
    const node = { metadata: { name: 'n1' }, status: { conditions: [ready] } };
    const objects = sparse<ObjectReader>({ get: () => node, list: () => [node] });
    const nodes = new NodeConnector(objects, 'simulated');
    const { port } = server.address() as AddressInfo;
    const endpoint = { address: '127.0.0.1', port, nodeName: undefined };
    const socket = await connectEndpoint(objects, nodes, endpoint);
    const [data] = await once(socket, 'data');
    assert.equal(String(data), 'hello');
    socket.destroy();
    const onNode = { ...endpoint, nodeName: 'n1' };
    await assert.rejects(connectEndpoint(objects, nodes, onNode), { code: 503, message: /is simulated/ });
  } finally {
    server.close();
  }
});

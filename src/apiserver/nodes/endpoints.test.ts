import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { ObjectReader } from '../object-reader.ts';
import { serviceDialer } from './endpoints.ts';
import type { NodeConnector } from './node-connector.ts';

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

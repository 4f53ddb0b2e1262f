import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Server } from '@grpc/grpc-js';
import type { CSIDriver, CSINode } from '../../api/resources.gen.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informers/informer.ts';
import { listenOnSocket, methodDefinition } from '../grpc/socket-server.ts';
import type { CsiCall } from './csi-metrics.ts';
import { codec } from './messages.ts';
import { NodeDrivers } from './node-drivers.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-node-drivers-'));
after(() => rmSync(folder, { recursive: true }));

/** A driver that knows nothing but the id of its node. */
async function serveDriver(endpoint: string): Promise<Server> {
  const server = new Server();
  server.addService(
    {
      NodeGetInfo: methodDefinition(codec, {
        path: '/csi.v1.Node/NodeGetInfo',
        request: 'NodeGetInfoRequest',
        answer: 'NodeGetInfoResponse',
      }),
    },
    {
      NodeGetInfo: (_: object, reply: (error: null, answer: object) => void) => reply(null, { nodeId: 'n' }),
    } as never,
  );
  await listenOnSocket(server, endpoint);
  return server;
}

test('a plugin that goes when another has taken its place takes nothing with it', async () => {
  let stored = { metadata: { name: 'node' }, spec: { drivers: [] } } as unknown as CSINode;
  const calls: CsiCall[] = [];
  const drivers = new NodeDrivers({
    client: sparse<Client>({
      get: (async () => stored) as unknown as Client['get'],
      update: (async (_: unknown, changed: CSINode) => (stored = changed)) as unknown as Client['update'],
      patch: (async () => stored) as unknown as Client['patch'],
    }),
    clock: systemClock,
    logger: silentLogger,
    nodeName: 'node',
    node: () => undefined,
    driverObjects: () => sparse<Informer<CSIDriver>>({ handle: () => undefined, get: () => undefined }),
    called: (call) => void calls.push(call),
    changed: () => undefined,
  });
  const endpoints = ['old', 'next'].map((name) => join(folder, `${name}.sock`));
  const servers = await Promise.all(endpoints.map(serveDriver));
  for (const endpoint of endpoints)
    await drivers.register({ type: 'CSIPlugin', name: 'd', endpoint, supportedVersions: ['1.0.0'] });
  const [call] = calls.filter(({ method }) => method === '/csi.v1.Node/NodeGetInfo');
  assert.equal(call?.driver, 'd');
  assert.equal(call.code, 'OK');
  await assert.rejects(drivers.get('d').unstage('v', '/staging'));
  assert.equal(calls.at(-1)?.code, 'Unimplemented');
  const names = () => stored.spec.drivers.map(({ name }) => name);
  await drivers.unregister({ name: 'd', endpoint: endpoints[0]! });
  assert.equal(drivers.get('d').endpoint, endpoints[1]);
  assert.deepEqual(names(), ['d']);
  await drivers.unregister({ name: 'd', endpoint: endpoints[1]! });
  assert.throws(() => drivers.get('d'));
  assert.deepEqual(names(), []);
  drivers.close();
  for (const server of servers) server.forceShutdown();
});

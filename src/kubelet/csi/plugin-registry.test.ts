import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { until } from '../../base/until.fixture.ts';
import { codec } from './messages.ts';
import { PluginRegistry } from './plugin-registry.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-plugins-'));
after(() => rmSync(folder, { recursive: true }));

/** What stands behind a socket of the registry; `told`: what became of its registration. */
async function plugin(name: string, told: string[], type = 'CSIPlugin'): Promise<{ stop(): void }> {
  const method = (path: string, request: string, answer: string) => ({
    path: `/pluginregistration.Registration/${path}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: codec<object>(request).serialize,
    requestDeserialize: codec<object>(request).deserialize,
    responseSerialize: codec<object>(answer).serialize,
    responseDeserialize: codec<object>(answer).deserialize,
  });
  const server = new Server();
  server.addService(
    {
      GetInfo: method('GetInfo', 'InfoRequest', 'PluginInfo'),
      NotifyRegistrationStatus: method(
        'NotifyRegistrationStatus',
        'RegistrationStatus',
        'RegistrationStatusResponse',
      ),
    } as never,
    {
      GetInfo: (_call: object, reply: (error: null, answer: object) => void) =>
        reply(null, { type, name, supportedVersions: ['1.0.0'] }),
      NotifyRegistrationStatus: (
        { request }: { request: { pluginRegistered: boolean; error: string } },
        reply: (error: null, answer: object) => void,
      ) => {
        told.push(`${name} ${request.pluginRegistered} ${request.error}`.trim());
        reply(null, {});
      },
    } as never,
  );
  const socket = join(folder, `${name}.sock`);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}

test('a plugin is registered by its socket, gets the result, and is removed with its socket', async () => {
  const told: string[] = [];
  const known: string[] = [];
  const stop = new AbortController();
  const first = await plugin('first', told);
  const registry = new PluginRegistry({
    folder,
    clock: systemClock,
    logger: silentLogger,
    kinds: {
      CSIPlugin: {
        async register({ name, endpoint }) {
          if (name === 'unwanted') throw new Error('nobody wants it');
          assert.equal(endpoint, join(folder, `${name}.sock`), 'where none is named, it answers itself');
          known.push(`+${name}`);
        },
        async unregister({ name }) {
          known.push(`-${name}`);
        },
      },
    },
  });
  await registry.start(stop.signal);
  await until(() => told.length === 1);
  const second = await plugin('second', told);
  await until(() => told.length === 2);
  const unwanted = await plugin('unwanted', told);
  await until(() => told.length === 3);
  assert.deepEqual(told, ['first true', 'second true', 'unwanted false nobody wants it']);
  const odd = await plugin('odd', told, 'OddPlugin');
  await until(() => told.some((each) => each.startsWith('odd')));
  assert.equal(
    told.find((each) => each.startsWith('odd')),
    `odd false RegisterPlugin error -- no handler registered for plugin type: OddPlugin at socket ${join(folder, 'odd.sock')}`,
  );
  first.stop();
  await until(() => known.length === 3);
  assert.deepEqual(known, ['+first', '+second', '-first']);
  stop.abort();
  second.stop();
  unwanted.stop();
  odd.stop();
});

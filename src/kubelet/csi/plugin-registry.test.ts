import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { until } from '../../base/async/until.fixture.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { findSockets, PluginRegistry } from './plugin-registry.ts';
import { serveRegistrar } from './registrar.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-plugins-'));
after(() => rmSync(folder, { recursive: true }));

/** What is behind a socket of the registry; `outcomes`: what became of its registration. */
function plugin(
  name: string,
  outcomes: string[],
  { type = 'CSIPlugin', endpoint = '', socketName = name } = {},
): Promise<{ stop(): void }> {
  const socket = join(folder, `${socketName}.sock`);
  return serveRegistrar(
    socket,
    { type, name, endpoint, supportedVersions: ['1.0.0'] },
    ({ pluginRegistered, error }) => void outcomes.push(`${name} ${pluginRegistered} ${error}`.trim()),
  );
}

test('a plugin is registered by its socket, gets the result, and is removed with its socket', async () => {
  const outcomes: string[] = [];
  const known: string[] = [];
  const stop = new AbortController();
  const first = await plugin('first', outcomes);
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
  await until(() => outcomes.length === 1);
  const second = await plugin('second', outcomes);
  await until(() => outcomes.length === 2);
  const unwanted = await plugin('unwanted', outcomes);
  await until(() => outcomes.length === 3);
  assert.deepEqual(outcomes, ['first true', 'second true', 'unwanted false nobody wants it']);
  const odd = await plugin('odd', outcomes, { type: 'OddPlugin' });
  await until(() => outcomes.some((each) => each.startsWith('odd')));
  assert.equal(
    outcomes.find((each) => each.startsWith('odd')),
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

test('without watchers of files plugins are found too, and one that comes under another socket stays', async () => {
  const outcomes: string[] = [];
  const known: string[] = [];
  const stop = new AbortController();
  const clock = new VirtualClock();
  const look = async (isDone: () => boolean) => {
    while (!isDone()) {
      await clock.advance(30_000);
      await setTimeout(5);
    }
  };
  const registry = new PluginRegistry({
    folder,
    clock,
    logger: silentLogger,
    kinds: {
      CSIPlugin: {
        register: async ({ name }) => void known.push(`+${name}`),
        unregister: async ({ name }) => void known.push(`-${name}`),
      },
    },
    watchFolder() {
      throw Object.assign(new Error('no space left on device, watch'), { code: 'ENOSPC' });
    },
  });
  await registry.start(stop.signal);
  const at = (socketName: string) => plugin('d', outcomes, { socketName, endpoint: '/csi.sock' });
  const old = await at('old');
  await look(() => outcomes.length === 1);
  const next = await at('next');
  await look(() => outcomes.length === 2);
  old.stop();
  const other = await plugin('other', outcomes);
  await look(() => outcomes.length === 3);
  assert.deepEqual(known, ['+d', '+d', '+other']);
  next.stop();
  await look(() => known.length === 4);
  assert.equal(known.at(-1), '-d');
  stop.abort();
  other.stop();
});

test('a folder that goes while sockets are looked for hides none', async () => {
  const root = join(folder, 'busy');
  mkdirSync(root);
  const server = createServer().listen(join(root, 'z.sock'));
  await once(server, 'listening');
  for (let round = 0; round < 20; round++) {
    const folders = Array.from({ length: 10 }, (_, index) => join(root, `a${index}`));
    for (const each of folders) mkdirSync(each);
    const [found] = await Promise.all([
      findSockets(root),
      ...folders.map((each) => rm(each, { recursive: true })),
    ]);
    assert.equal(found.size, 1);
  }
  server.close();
});

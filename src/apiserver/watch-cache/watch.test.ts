import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { Transport } from '../../client/transport/transport.ts';
import { configMap, configMaps, createTestServer, mergePatch } from '../server.fixture.ts';

interface Seen {
  type: string;
  name: string;
  version: number;
}

interface Watcher {
  seen: Seen[];
  stop(): Promise<void>;
}

async function startWatch(transport: Transport, query: string): Promise<Watcher> {
  const stop = new AbortController();
  const answer = await transport.send({
    method: 'GET',
    path: `${configMaps}?watch=true${query}`,
    signal: stop.signal,
  });
  if (!('events' in answer)) throw new Error(JSON.stringify(answer.object));
  const seen: Seen[] = [];
  const reading = (async () => {
    for await (const event of answer.events) {
      const { name, resourceVersion } = event.object.metadata ?? {};
      seen.push({ type: event.type, name: String(name ?? ''), version: Number(resourceVersion) });
    }
  })();
  return {
    seen,
    async stop() {
      stop.abort();
      await reading;
    },
  };
}

test('a watch without a resourceVersion begins with what is there', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a'));
  const watcher = await startWatch(server.transport, '');
  await server.ask('POST', configMaps, configMap('b'));
  await server.ask('DELETE', `${configMaps}/a`);
  await watcher.stop();
  assert.deepEqual(
    watcher.seen.map(({ type, name }) => `${type} ${name}`),
    ['ADDED a', 'ADDED b', 'DELETED a'],
  );
});

test('a watch from a resourceVersion sees what came after it', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', configMaps, configMap('a'));
  await server.ask('PATCH', `${configMaps}/a`, { data: { x: '1' } }, mergePatch);
  const watcher = await startWatch(server.transport, `&resourceVersion=${object.metadata.resourceVersion}`);
  await server.ask('DELETE', `${configMaps}/a`);
  await watcher.stop();
  assert.deepEqual(
    watcher.seen.map(({ type }) => type),
    ['MODIFIED', 'DELETED'],
  );
});

test('a watch from a version yet to come sees nothing up to that version', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', configMaps, configMap('a'));
  const coming = Number(object.metadata.resourceVersion) + 2;
  const watcher = await startWatch(server.transport, `&resourceVersion=${coming}`);
  const endless = await startWatch(server.transport, `&resourceVersion=${coming + 1000}`);
  for (const name of ['b', 'c', 'd']) await server.ask('POST', configMaps, configMap(name));
  await watcher.stop();
  await endless.stop();
  assert.deepEqual(watcher.seen, [{ type: 'ADDED', name: 'd', version: coming + 1 }]);
  assert.deepEqual(endless.seen, []);
});

test('an update that leaves the selection is a delete, one that enters it an add', async () => {
  await using server = await createTestServer();
  const watcher = await startWatch(server.transport, '&labelSelector=in%3Dyes');
  await server.ask('POST', configMaps, configMap('a', {}, { in: 'no' }));
  for (const value of ['yes', 'no', 'yes'])
    await server.ask('PATCH', `${configMaps}/a`, { metadata: { labels: { in: value } } }, mergePatch);
  await watcher.stop();
  assert.deepEqual(
    watcher.seen.map(({ type }) => type),
    ['ADDED', 'DELETED', 'ADDED'],
  );
  const versions = watcher.seen.map(({ version }) => version);
  assert.deepEqual(
    versions,
    [...versions].sort((a, b) => a - b),
  );
});

test('sendInitialEvents ends the state with an annotated bookmark', async () => {
  await using server = await createTestServer();
  await server.ask('POST', configMaps, configMap('a'));
  const watcher = await startWatch(
    server.transport,
    '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true',
  );
  await watcher.stop();
  assert.deepEqual(
    watcher.seen.slice(0, 2).map(({ type }) => type),
    ['ADDED', 'BOOKMARK'],
  );
});

test('bookmarks tell how far the watch is while nothing happens to its objects', async () => {
  await using server = await createTestServer();
  const watcher = await startWatch(server.transport, '&allowWatchBookmarks=true');
  const { object } = await server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'n' } });
  await server.clock.advance(61_000);
  await watcher.stop();
  const [end, progress] = watcher.seen.map(({ type, version }) => ({ type, version }));
  const created = Number(object.metadata.resourceVersion);
  assert.ok(end?.type === 'BOOKMARK' && end.version < created, 'where the initial state ends');
  assert.ok(progress?.type === 'BOOKMARK' && progress.version >= created);
});

test('a watch ends after its timeout', async () => {
  await using server = await createTestServer();
  const watcher = await startWatch(server.transport, '&timeoutSeconds=5');
  await server.clock.advance(5_000);
  await watcher.stop();
  assert.deepEqual(watcher.seen, []);
});

test('a watch from before the kept history is refused as expired', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', configMaps, configMap('a'));
  for (let index = 0; index < 3_000; index++)
    await server.ask('PATCH', `${configMaps}/a`, { data: { x: String(index) } }, mergePatch);
  await server.store.compact(await server.store.currentRevision());
  const watcher = await startWatch(server.transport, `&resourceVersion=${object.metadata.resourceVersion}`);
  await watcher.stop();
  assert.equal(watcher.seen[0]?.type, 'ERROR');
});

test('history that memory no longer holds is read from the store, without a gap', async () => {
  await using server = await createTestServer();
  const { object } = await server.ask('POST', configMaps, configMap('a'));
  const writes = 3_000;
  for (let index = 0; index < writes; index++)
    await server.ask('PATCH', `${configMaps}/a`, { data: { x: String(index) } }, mergePatch);
  const watcher = await startWatch(server.transport, `&resourceVersion=${object.metadata.resourceVersion}`);
  await server.ask('DELETE', `${configMaps}/a`);
  await server.clock.advance(10);
  await watcher.stop();
  assert.equal(watcher.seen.length, writes + 1);
  assert.equal(watcher.seen.at(-1)?.type, 'DELETED');
});

/** What a watcher of `selected` objects must see of a log of changes. */
interface Change {
  version: number;
  name: string;
  before: boolean;
  after: boolean;
}

function expectedEvents(log: readonly Change[], from: number): Seen[] {
  return log
    .filter(({ version, before, after }) => version > from && (before || after))
    .map(({ version, name, before, after }) => ({
      type: before ? (after ? 'MODIFIED' : 'DELETED') : 'ADDED',
      name,
      version,
    }));
}

for (const seed of [1, 2, 3, 4, 5])
  test(`watchers that come and go see every event once and in order, as a model says (seed ${seed})`, async () => {
    await using server = await createTestServer();
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random.next() * count);
    const selected = new Map<string, boolean>();
    const all: Change[] = [];
    const red: Change[] = [];
    const watchers: { from: number; log: Change[]; watcher: Watcher }[] = [];
    let version = Number((await server.ask('GET', configMaps)).object.metadata.resourceVersion);
    const oldest = version;
    for (let step = 0; step < 400; step++) {
      const name = `o${pick(8)}`;
      const isRed = pick(2) === 0;
      const known = selected.get(name);
      const labels = { color: isRed ? 'red' : 'blue' };
      let answer: Awaited<ReturnType<typeof server.ask>>;
      if (known === undefined) answer = await server.ask('POST', configMaps, configMap(name, {}, labels));
      else if (pick(4) === 0) answer = await server.ask('DELETE', `${configMaps}/${name}`);
      else
        answer = await server.ask(
          'PATCH',
          `${configMaps}/${name}`,
          { metadata: { labels }, data: { step: String(step) } },
          mergePatch,
        );
      const isDelete = answer.object.kind === 'Status';
      version = await server.store.currentRevision();
      all.push({ version, name, before: known !== undefined, after: !isDelete });
      red.push({ version, name, before: known === true, after: !isDelete && isRed });
      if (isDelete) selected.delete(name);
      else selected.set(name, isRed);
      if (step % 20 !== 0) continue;
      const from = oldest + pick(version - oldest + 1);
      const log = pick(2) === 0 ? all : red;
      const query = `&resourceVersion=${from}${log === red ? '&labelSelector=color%3Dred' : ''}`;
      watchers.push({ from, log, watcher: await startWatch(server.transport, query) });
    }
    for (const { from, log, watcher } of watchers) {
      await watcher.stop();
      assert.deepEqual(watcher.seen, expectedEvents(log, from));
    }
  });

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createMemoryStore } from '../../storage/memory.ts';
import {
  type ListOptions,
  SlowWatcherError,
  type Store,
  StoreUnavailableError,
  type WatchOptions,
} from '../../storage/store.ts';
import { configMap, configMaps, createTestServer } from '../server.fixture.ts';
import { StoreView } from './store-view.ts';

/** A memory store whose watches can be broken off, and whose next list can be made to fail. */
function breakableStore(): { store: Store; breakWatch(error: Error): void; failList(error: Error): void } {
  const inner = createMemoryStore();
  let fail: ((error: Error) => void) | undefined;
  let listFailure: Error | undefined;
  const watch = async function* (prefix: string, options: WatchOptions) {
    const broken = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const batches = inner.watch(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([batches.next(), broken]);
        if (next.done) return;
        yield next.value;
      }
    } finally {
      broken.catch(() => undefined);
    }
  };
  const list = async (prefix: string, options?: ListOptions) => {
    const failure = listFailure;
    listFailure = undefined;
    if (failure) throw failure;
    return await inner.list(prefix, options);
  };
  const store = new Proxy(inner, {
    get: (target, name) => {
      if (name === 'watch') return watch;
      if (name === 'list') return list;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    store,
    breakWatch: (error) => fail?.(error),
    failList: (error) => {
      listFailure = error;
    },
  };
}

test('a value that is no object is left out, and the rest is served', async () => {
  const store = createMemoryStore();
  await store.create('/registry/configmaps/default/bad', Buffer.from('nonsense'));
  await using server = await createTestServer({ store });
  await server.ask('POST', configMaps, configMap('good'));
  await store.create('/registry/configmaps/default/worse', Buffer.from('{}'));
  await server.ask('POST', configMaps, configMap('later'));
  const { object } = await server.ask('GET', configMaps);
  assert.deepEqual(
    object.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ['good', 'later'],
  );
});

test('a view whose watch lost history finds the difference, and its watchers see it as events', async () => {
  const { store, breakWatch } = breakableStore();
  await using server = await createTestServer({ store, sharedStore: true });
  for (const name of ['a', 'b']) await server.ask('POST', configMaps, configMap(name));
  const stop = new AbortController();
  const watch = await server.transport.send({
    method: 'GET',
    path: `${configMaps}?watch=true`,
    signal: stop.signal,
  });
  const seen: string[] = [];
  const reading = (async () => {
    if (!('events' in watch)) return;
    for await (const { type, object } of watch.events) seen.push(`${type} ${object.metadata.name}`);
  })();
  breakWatch(new SlowWatcherError());
  // Written by another client while there is no watch.
  const { entry } = await store.get('/registry/configmaps/default/a');
  await store.delete('/registry/configmaps/default/a', entry!.modRevision);
  await store.create('/registry/configmaps/default/c', entry!.value);
  const { object } = await server.ask('GET', configMaps);
  assert.equal(object.items.length, 2);
  stop.abort();
  await reading;
  assert.deepEqual(seen.slice(0, 2).sort(), ['ADDED a', 'ADDED b']);
  assert.equal(seen.filter((event) => event === 'DELETED a').length, 1);
  assert.equal(seen.length, 4);
});

test('a store that does not answer for a while is followed again without a gap', async () => {
  const { store, breakWatch } = breakableStore();
  await using server = await createTestServer({ store });
  breakWatch(new StoreUnavailableError('gone for a while'));
  const making = server.ask('POST', configMaps, configMap('a'));
  await server.clock.advance(1_000);
  assert.equal((await making).status, 201);
  assert.equal((await server.ask('GET', `${configMaps}/a`)).status, 200);
});

test('a view that lost history looks for the difference again when the store does not answer at once', async () => {
  const { store, breakWatch, failList } = breakableStore();
  await using server = await createTestServer({ store, sharedStore: true });
  await server.ask('POST', configMaps, configMap('a'));
  breakWatch(new SlowWatcherError());
  failList(new StoreUnavailableError('gone for a while'));
  const { entry } = await store.get('/registry/configmaps/default/a');
  await store.delete('/registry/configmaps/default/a', entry!.modRevision);
  const reading = server.ask('GET', `${configMaps}/a`);
  await server.clock.advance(1_000);
  assert.equal((await reading).status, 404);
});

test('objects that vanished while history was lost are absent from kinds added later', async () => {
  const { store, breakWatch } = breakableStore();
  for (const name of ['gone', 'kept'])
    await store.create(`/registry/example.com/shops/default/${name}`, Buffer.from('{"metadata":{}}'));
  const view = new StoreView({ store, clock: new VirtualClock(), logger: silentLogger, shared: true });
  await view.start();
  await view.caughtUp();
  breakWatch(new SlowWatcherError());
  const { entry } = await store.get('/registry/example.com/shops/default/gone');
  await store.delete(entry!.key, entry!.modRevision);
  await view.caughtUp();
  assert.deepEqual(
    [...view.claim('example.com/shops').values()].map(({ key }) => key),
    ['default/kept'],
  );
  await view.close();
});

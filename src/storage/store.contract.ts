/** What every store must do, as tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { seededRandom } from '../base/random.ts';
import {
  CompactedError,
  FutureRevisionError,
  type Store,
  type StoreEvent,
  type WriteResult,
} from './store.ts';
import { storeTests } from './store-tests.fixture.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => (value ? new TextDecoder().decode(value) : undefined);

function revisionOf(result: WriteResult): number {
  assert.ok(result.ok, 'the write was expected to win');
  return result.revision;
}

/** `open` returns an empty store for each test; it is closed afterwards. */
export function testStoreContract(name: string, open: () => Promise<Store>): void {
  const storeTest = storeTests(open);

  describe(`${name} store`, () => {
    storeTest('a created value can be read, with equal create and mod revision', async (store) => {
      const revision = revisionOf(await store.create('/registry/a/x', bytes('1')));
      const { entry } = await store.get('/registry/a/x');
      assert.deepEqual(
        { ...entry, value: text(entry?.value) },
        { key: '/registry/a/x', value: '1', createRevision: revision, modRevision: revision },
      );
      assert.equal((await store.get('/registry/a/y')).entry, undefined);
    });

    storeTest('creating what exists loses and names what is there', async (store) => {
      await store.create('/registry/a/x', bytes('1'));
      const lost = await store.create('/registry/a/x', bytes('2'));
      assert.equal(lost.ok, false);
      assert.equal(!lost.ok && text(lost.current?.value), '1');
    });

    storeTest('an update wins only with the current revision and raises it', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('1')));
      const second = revisionOf(await store.update('/registry/a/x', bytes('2'), first));
      assert.ok(second > first);
      const lost = await store.update('/registry/a/x', bytes('3'), first);
      assert.equal(!lost.ok && text(lost.current?.value), '2');
      const absent = await store.update('/registry/a/none', bytes('3'), first);
      assert.deepEqual(absent, { ok: false, current: undefined });
      const { entry } = await store.get('/registry/a/x');
      assert.deepEqual([entry?.createRevision, entry?.modRevision, text(entry?.value)], [first, second, '2']);
    });

    storeTest('a delete wins only with the current revision; the key can be created again', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('1')));
      assert.equal((await store.delete('/registry/a/x', first + 100)).ok, false);
      revisionOf(await store.delete('/registry/a/x', first));
      assert.deepEqual(await store.delete('/registry/a/x', first), { ok: false, current: undefined });
      const again = revisionOf(await store.create('/registry/a/x', bytes('2')));
      assert.equal((await store.get('/registry/a/x')).entry?.createRevision, again);
    });

    storeTest('of many concurrent updates from one revision exactly one wins', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('0')));
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.update('/registry/a/x', bytes(String(index)), first)),
      );
      assert.equal(results.filter((result) => result.ok).length, 1);
      const creates = await Promise.all(
        Array.from({ length: 20 }, () => store.create('/registry/a/y', bytes('y'))),
      );
      assert.equal(creates.filter((result) => result.ok).length, 1);
    });

    storeTest('a page says how many entries it has left out, also as of a past revision', async (store) => {
      const keys = Array.from({ length: 10 }, (_, index) => `/registry/a/${index}`);
      let last = 0;
      for (const key of keys) last = revisionOf(await store.create(key, bytes(key)));
      await store.create('/registry/b/0', bytes('other'));
      const page = { limit: 3, revision: last };
      const remaining = async (after?: string) =>
        (await store.list('/registry/a/', { ...page, ...(after && { after }) })).remaining;
      assert.equal(await remaining(), 7);
      // Some go, some come, some come back, some change, before and behind the page.
      for (const key of ['/registry/a/1', '/registry/a/5', '/registry/a/8']) {
        const { entry } = await store.get(key);
        revisionOf(await store.delete(key, entry!.modRevision));
      }
      for (const key of ['/registry/a/45', '/registry/a/46', '/registry/a/0x', '/registry/a/5'])
        revisionOf(await store.create(key, bytes('new')));
      const { entry } = await store.get('/registry/a/9');
      revisionOf(await store.update('/registry/a/9', bytes('changed'), entry!.modRevision));
      assert.equal(await remaining(), 7);
      assert.equal(await remaining('/registry/a/3'), 3);
      assert.equal(await remaining('/registry/a/6'), undefined);
      assert.equal((await store.list('/registry/a/', { limit: 4 })).remaining, 7);
    });

    storeTest('lists are sorted, cut by prefix, paged, and keep their revision', async (store) => {
      for (const key of ['b/2', 'a/3', 'a/1', 'ab/1', 'a/2'])
        await store.create(`/registry/${key}`, bytes(key));
      const all = await store.list('/registry/a/');
      assert.deepEqual(
        all.entries.map((entry) => text(entry.value)),
        ['a/1', 'a/2', 'a/3'],
      );
      assert.equal(all.more, false);
      const page = await store.list('/registry/a/', { limit: 2 });
      assert.deepEqual([page.entries.length, page.more], [2, true]);
      await store.create('/registry/a/25', bytes('late'));
      const rest = await store.list('/registry/a/', { after: page.entries[1]!.key, revision: page.revision });
      assert.deepEqual(
        rest.entries.map((entry) => text(entry.value)),
        ['a/3'],
      );
      assert.equal(rest.revision, page.revision);
    });

    storeTest('the past can be read exactly until it is compacted', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('1')));
      const second = revisionOf(await store.update('/registry/a/x', bytes('2'), first));
      const third = revisionOf(await store.delete('/registry/a/x', second));
      const fourth = revisionOf(await store.create('/registry/a/z', bytes('z')));
      assert.equal(text((await store.get('/registry/a/x', { revision: first })).entry?.value), '1');
      assert.equal(text((await store.get('/registry/a/x', { revision: second })).entry?.value), '2');
      assert.equal((await store.get('/registry/a/x', { revision: third })).entry, undefined);
      assert.equal((await store.list('/registry/', { revision: second })).entries.length, 1);
      await assert.rejects(store.list('/registry/', { revision: fourth + 10 }), FutureRevisionError);
      assert.equal(store.compacted, 0);
      await store.compact(third);
      assert.equal(store.compacted, third);
      await assert.rejects(store.get('/registry/a/x', { revision: first }), CompactedError);
      assert.equal((await store.list('/registry/', { revision: fourth })).entries.length, 1);
    });

    storeTest('a watch delivers what follows, with the values before', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('1')));
      const seen = collect(store, '/registry/a/', first + 1, 3);
      const second = revisionOf(await store.update('/registry/a/x', bytes('2'), first));
      await store.create('/registry/b/other', bytes('no'));
      const third = revisionOf(await store.delete('/registry/a/x', second));
      const fourth = revisionOf(await store.create('/registry/a/y', bytes('y')));
      const events = await seen;
      assert.deepEqual(
        events.map((event) => [event.type, event.revision, text(event.value), text(event.previous?.value)]),
        [
          ['put', second, '2', '1'],
          ['delete', third, '2', '2'],
          ['put', fourth, 'y', undefined],
        ],
      );
    });

    storeTest('a watch from the past delivers history and then the present without a gap', async (store) => {
      const start = (await store.currentRevision()) + 1;
      for (let index = 0; index < 50; index++) await store.create(`/registry/a/${index}`, bytes('v'));
      const seen = collect(store, '/registry/a/', start, 100);
      for (let index = 50; index < 100; index++) await store.create(`/registry/a/${index}`, bytes('v'));
      assert.deepEqual(
        (await seen).map((event) => event.key),
        Array.from({ length: 100 }, (_, index) => `/registry/a/${index}`),
      );
    });

    storeTest('a watch from before the compaction is refused', async (store) => {
      const first = revisionOf(await store.create('/registry/a/x', bytes('1')));
      const second = revisionOf(await store.update('/registry/a/x', bytes('2'), first));
      await store.update('/registry/a/x', bytes('3'), second);
      await store.compact(second);
      await assert.rejects(collect(store, '/registry/a/', first, 1), CompactedError);
    });

    storeTest('a watch reports progress also when nothing of its prefix changes', async (store) => {
      const controller = new AbortController();
      const batches = store.watch('/registry/quiet/', { signal: controller.signal })[Symbol.asyncIterator]();
      const first = batches.next();
      const revision = revisionOf(await store.create('/registry/a/x', bytes('1')));
      let { value } = await first;
      while (value && value.revision < revision) ({ value } = await batches.next());
      assert.deepEqual(value, { events: [], revision });
      controller.abort();
      await batches.return?.();
    });

    storeTest('watchers and final state agree with a model over random concurrent writes', async (store) => {
      const random = seededRandom(11);
      const start = (await store.currentRevision()) + 1;
      const keys = Array.from({ length: 12 }, (_, index) => `/registry/m/${index}`);
      let committed = 0;
      const writer = async () => {
        for (let step = 0; step < 60; step++) {
          const key = keys[Math.floor(random.next() * keys.length)]!;
          const { entry } = await store.get(key);
          const result = !entry
            ? await store.create(key, bytes(`c${step}`))
            : random.next() < 0.3
              ? await store.delete(key, entry.modRevision)
              : await store.update(key, bytes(`u${step}`), entry.modRevision);
          if (result.ok) committed++;
        }
      };
      await Promise.all([writer(), writer(), writer(), writer()]);
      const events = await collect(store, '/registry/m/', start, committed);
      const model = new Map<string, { value: string | undefined; revision: number }>();
      let last = 0;
      for (const event of events) {
        assert.ok(event.revision > last, 'revisions rise');
        last = event.revision;
        const before = model.get(event.key);
        assert.equal(event.previous?.revision, before?.revision);
        assert.equal(text(event.previous?.value), before?.value);
        if (event.type === 'put')
          model.set(event.key, { value: text(event.value), revision: event.revision });
        else model.delete(event.key);
      }
      const { entries } = await store.list('/registry/m/');
      assert.deepEqual(
        entries.map((entry) => [entry.key, text(entry.value), entry.modRevision]),
        [...model]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, { value, revision }]) => [key, value, revision]),
      );
    });
  });
}

/** The first `count` events under `prefix` from a revision on. */
async function collect(
  store: Store,
  prefix: string,
  fromRevision: number,
  count: number,
): Promise<StoreEvent[]> {
  const controller = new AbortController();
  const events: StoreEvent[] = [];
  for await (const batch of store.watch(prefix, { fromRevision, signal: controller.signal })) {
    events.push(...batch.events);
    if (events.length >= count) break;
  }
  controller.abort();
  return events;
}

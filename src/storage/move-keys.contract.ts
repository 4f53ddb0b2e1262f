/** How keys move within every store, as tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { moveKeys } from './move-keys.ts';
import { type Store, StoreUnavailableError } from './store.ts';
import { storeTests } from './store-tests.fixture.ts';

const move = { from: '/registry/old/', to: '/registry/new.example/old/' };

/** `open` returns an empty store for each test; it is closed afterwards. */
export function testMoveKeys(name: string, open: () => Promise<Store>): void {
  const moveTest = storeTests(open);

  describe(`keys move in a ${name} store`, () => {
    moveTest('wherever it breaks off, it can be done again, and nothing is lost or double', async (store) => {
      const expected: Record<string, string> = { '/registry/other/x': 'other' };
      await store.create('/registry/other/x', Buffer.from('other'));
      for (let index = 0; index < 3; index++) {
        await store.create(`${move.from}x${index}`, Buffer.from(`value ${index}`));
        expected[`${move.to}x${index}`] = `value ${index}`;
      }
      const values = new Set(Object.values(expected));
      let isDone = false;
      for (let attempt = 0; !isDone && attempt < 20; attempt++) {
        // Each attempt gets one write further than those before it.
        isDone = await moveKeys(breakingAfter(store, 1), move).then(
          () => true,
          () => false,
        );
        assert.deepEqual(new Set(Object.values(await contentOf(store))), values);
      }
      assert.ok(isDone);
      assert.deepEqual(await contentOf(store), expected);
      assert.equal(await moveKeys(store, move), 0);
    });

    moveTest('the younger value stays where both places have one', async (store) => {
      const newKey = (key: string) => move.to + key;
      const put = async (key: string, value: string) => store.create(key, Buffer.from(value));
      await put(`${move.from}a`, 'old');
      await put(newKey('a'), 'new');
      await put(newKey('b'), 'new');
      await put(`${move.from}b`, 'written later by an older server');
      assert.equal(await moveKeys(store, move), 2);
      assert.deepEqual(await contentOf(store), {
        [newKey('a')]: 'new',
        [newKey('b')]: 'written later by an older server',
      });
    });

    moveTest('several servers may move at once', async (store) => {
      const expected: Record<string, string> = {};
      for (let index = 0; index < 10; index++) {
        await store.create(`${move.from}${index}`, Buffer.from(String(index)));
        expected[`${move.to}${index}`] = String(index);
      }
      await Promise.all([moveKeys(store, move), moveKeys(store, move), moveKeys(store, move)]);
      assert.deepEqual(await contentOf(store), expected);
    });
  });
}

async function contentOf(store: Store): Promise<Record<string, string>> {
  const { entries } = await store.list('/registry/');
  return Object.fromEntries(entries.map(({ key, value }) => [key, Buffer.from(value).toString()]));
}

/** Takes a number of writes that change something; then it is as if the process had ended. */
function breakingAfter(store: Store, writesMax: number): Store {
  let writes = 0;
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      if (name !== 'create' && name !== 'update' && name !== 'delete') return value.bind(target);
      return async (...given: never[]) => {
        if (writes >= writesMax) throw new StoreUnavailableError('the process has ended');
        const result = await (value as (...given: never[]) => Promise<{ ok: boolean }>).apply(target, given);
        if (result.ok) writes++;
        return result;
      };
    },
  });
}

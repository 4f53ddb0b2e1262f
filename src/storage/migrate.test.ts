import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from './memory.ts';
import { migrateStore, type PartlyMigratedError, TargetNotEmptyError } from './migrate.ts';
import { type Store, StoreUnavailableError } from './store.ts';

test('a migration copies every key and value, and refuses a target that is in use', async () => {
  const from = createMemoryStore();
  const to = createMemoryStore();
  for (let index = 0; index < 150; index++)
    await from.create(`/registry/a/${index}`, Buffer.from(String(index)));
  assert.deepEqual(await migrateStore(from, to), { copied: 150 });
  const content = async (store: typeof from) =>
    (await store.list('/registry/')).entries.map(({ key, value }) => [key, Buffer.from(value).toString()]);
  assert.deepEqual(await content(to), await content(from));
  await assert.rejects(migrateStore(from, to), TargetNotEmptyError);
});

/** Refuses writes after some; and deletes, if it is to. */
function failing(store: Store, writesMax: number, { keeps = false } = {}): Store {
  let writes = 0;
  return new Proxy(store, {
    get(target, name: keyof Store) {
      if (name === 'create' && ++writes > writesMax)
        return () => Promise.reject(new StoreUnavailableError('no room'));
      if (name === 'delete' && keeps) return () => Promise.reject(new StoreUnavailableError('no room'));
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('a migration that fails leaves an empty target, so that it can be repeated', async () => {
  const from = createMemoryStore();
  for (let index = 0; index < 150; index++)
    await from.create(`/registry/a/${index}`, Buffer.from(String(index)));
  const to = createMemoryStore();
  await assert.rejects(migrateStore(from, failing(to, 100)), /^StoreUnavailableError: no room$/);
  assert.deepEqual((await to.list('/registry/')).entries, []);
  assert.deepEqual(await migrateStore(from, to), { copied: 150 });
});

test('a migration that can neither go on nor go back says what is left', async () => {
  const from = createMemoryStore();
  for (let index = 0; index < 10; index++) await from.create(`/registry/a/${index}`, Buffer.from('x'));
  const to = failing(createMemoryStore(), 4, { keeps: true });
  await assert.rejects(migrateStore(from, to), (error: PartlyMigratedError) => {
    assert.match(error.message, /^the migration broke off, and the target still holds 4 keys/);
    return (error.cause as Error).message === 'no room';
  });
});

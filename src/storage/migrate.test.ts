import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStore } from './memory.ts';
import { migrateStore, TargetNotEmptyError } from './migrate.ts';

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

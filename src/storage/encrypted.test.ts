import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { DecryptionError, encryptedStore, reencryptAll } from './encrypted.ts';
import { createMemoryStore } from './memory.ts';
import { testStoreContract } from './store.contract.ts';

const oldKey = { name: 'key1', secret: randomBytes(32) };
const newKey = { name: 'key2', secret: randomBytes(32) };
const prefixes = ['/registry/secrets/'];
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => Buffer.from(value).toString();

testStoreContract('encrypted', async () =>
  encryptedStore(createMemoryStore(), { keys: [oldKey], prefixes: ['/registry/a/', '/registry/m/'] }),
);

test('the store below sees no secret, and other keys as they are', async () => {
  const below = createMemoryStore();
  const store = encryptedStore(below, { keys: [oldKey], prefixes });
  await store.create('/registry/secrets/default/s', bytes('password'));
  await store.create('/registry/configmaps/default/c', bytes('plain'));
  const hidden = (await below.get('/registry/secrets/default/s')).entry!;
  assert.ok(!text(hidden.value).includes('password'));
  assert.equal(text((await below.get('/registry/configmaps/default/c')).entry!.value), 'plain');
  assert.equal(text((await store.get('/registry/secrets/default/s')).entry!.value), 'password');
});

test('a value moved to another key, changed, or written with an unknown key does not decrypt', async () => {
  const below = createMemoryStore();
  const store = encryptedStore(below, { keys: [oldKey], prefixes });
  await store.create('/registry/secrets/default/s', bytes('password'));
  const hidden = (await below.get('/registry/secrets/default/s')).entry!;
  await below.create('/registry/secrets/default/copy', hidden.value);
  await assert.rejects(store.get('/registry/secrets/default/copy'), DecryptionError);
  const changed = Buffer.from(hidden.value);
  changed[changed.length - 20]! ^= 1;
  await below.create('/registry/secrets/default/changed', changed);
  await assert.rejects(store.get('/registry/secrets/default/changed'), DecryptionError);
  const short = hidden.value.subarray(0, hidden.value.length - 'password'.length - 20);
  await below.create('/registry/secrets/default/short', short);
  await assert.rejects(store.get('/registry/secrets/default/short'), {
    name: 'DecryptionError',
    message: 'cannot decrypt /registry/secrets/default/short: the stored value is cut short',
  });
  const other = encryptedStore(below, { keys: [newKey], prefixes });
  await assert.rejects(other.get('/registry/secrets/default/s'), /key1 is not configured/);
});

test('after a rotation everything is written with the new key, also what was plain before', async () => {
  const below = createMemoryStore();
  await below.create('/registry/secrets/default/plain', bytes('old times'));
  await encryptedStore(below, { keys: [oldKey], prefixes }).create(
    '/registry/secrets/default/s',
    bytes('password'),
  );
  assert.equal(await reencryptAll(below, { keys: [newKey, oldKey], prefixes }), 2);
  const store = encryptedStore(below, { keys: [newKey], prefixes });
  const { entries } = await store.list('/registry/secrets/');
  assert.deepEqual(
    entries.map((entry) => text(entry.value)),
    ['old times', 'password'],
  );
  assert.equal(await reencryptAll(below, { keys: [newKey], prefixes }), 0);
});

test('a key may have a name of any letters and length: what it wrote can be read, and is not written again', async () => {
  const below = createMemoryStore();
  const options = { keys: [{ name: 'Schlüssel 鍵 '.repeat(30), secret: randomBytes(32) }], prefixes };
  const key = '/registry/secrets/default/s';
  const store = encryptedStore(below, options);
  await store.create(key, bytes('password'));
  assert.equal(text((await store.get(key)).entry!.value), 'password');
  assert.equal(await reencryptAll(below, options), 0);
});

test('a damaged value ends neither lists, nor watches, nor a rotation; one whose key is missing does', async () => {
  const below = createMemoryStore();
  const store = encryptedStore(below, { keys: [oldKey], prefixes });
  await store.create('/registry/secrets/default/good', bytes('password'));
  const hidden = (await below.get('/registry/secrets/default/good')).entry!.value;
  await below.create('/registry/secrets/default/moved', hidden);
  const { entries } = await store.list('/registry/secrets/');
  assert.deepEqual(
    entries.map(({ value }) => Buffer.from(value).equals(hidden)),
    [false, true],
  );

  const watch = store.watch('/registry/', { fromRevision: 1, signal: AbortSignal.timeout(10_000) });
  const seen: string[] = [];
  for await (const { events } of watch) {
    for (const { key } of events) seen.push(key);
    if (seen.length === 2) break;
  }
  assert.deepEqual(seen, ['/registry/secrets/default/good', '/registry/secrets/default/moved']);

  await assert.rejects(store.update('/registry/secrets/default/moved', bytes('x'), 1), DecryptionError);
  assert.equal(await reencryptAll(below, { keys: [newKey, oldKey], prefixes }), 1);
  const stranger = encryptedStore(below, { keys: [oldKey], prefixes });
  await assert.rejects(stranger.list('/registry/secrets/'), /key2 is not configured/);
});

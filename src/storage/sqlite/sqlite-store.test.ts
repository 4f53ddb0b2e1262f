import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testMoveKeys } from '../move-keys.contract.ts';
import { testStoreContract } from '../store.contract.ts';
import { LogDatabase } from './database.ts';
import { createSqliteStore } from './sqlite-store.ts';

const folder = await mkdtemp(join(tmpdir(), 'wherry-sqlite-'));
after(() => rm(folder, { recursive: true }));
let files = 0;
const freshPath = () => join(folder, `${++files}.db`);
const bytes = (text: string) => new TextEncoder().encode(text);

testStoreContract('sqlite', () => createSqliteStore({ path: freshPath() }));
testMoveKeys('sqlite', () => createSqliteStore({ path: freshPath() }));

test('acknowledged writes are there after the store is reopened, with history and revisions', async () => {
  const path = freshPath();
  const first = await createSqliteStore({ path });
  const created = await first.create('/registry/a/x', bytes('1'));
  assert.ok(created.ok);
  await first.update('/registry/a/x', bytes('2'), created.revision);
  const gone = await first.create('/registry/a/gone', bytes('g'));
  assert.ok(gone.ok);
  await first.delete('/registry/a/gone', gone.revision);
  const revision = await first.currentRevision();
  await first.close();

  const second = await createSqliteStore({ path });
  assert.equal(await second.currentRevision(), revision);
  const { entries } = await second.list('/registry/');
  assert.deepEqual(
    entries.map((entry) => [entry.key, Buffer.from(entry.value).toString()]),
    [['/registry/a/x', '2']],
  );
  const past = await second.get('/registry/a/x', { revision: created.revision });
  assert.equal(Buffer.from(past.entry!.value).toString(), '1');
  const next = await second.create('/registry/a/gone', bytes('again'));
  assert.ok(next.ok && next.revision === revision + 1);
  await second.close();
});

test('a commit that fails loses its writes only, and later ones succeed', async () => {
  const path = freshPath();
  const database = new LogDatabase(path);
  database.append([{ revision: 5, key: '/a', value: bytes('1'), createRevision: 5 }]);
  assert.throws(() =>
    database.append([
      { revision: 6, key: '/b', value: bytes('2'), createRevision: 6 },
      { revision: 5, key: '/c', value: bytes('taken'), createRevision: 5 },
    ]),
  );
  database.append([{ revision: 6, key: '/d', value: bytes('4'), createRevision: 6 }]);
  assert.deepEqual(
    [...database.stateAt(6, '/')].map((row) => row.key),
    ['/a', '/d'],
  );
  database.close();
});

test('compaction trims what no reader needs and keeps every current value', async () => {
  const path = freshPath();
  const store = await createSqliteStore({ path });
  let revision = 0;
  for (let round = 0; round < 40; round++) {
    const result =
      round === 0
        ? await store.create('/registry/a/x', bytes('0'))
        : await store.update('/registry/a/x', bytes(String(round)), revision);
    assert.ok(result.ok);
    revision = result.revision;
  }
  const doomed = await store.create('/registry/a/y', bytes('y'));
  assert.ok(doomed.ok);
  await store.delete('/registry/a/y', doomed.revision);
  await store.compact(await store.currentRevision());
  await store.close();
  const database = new LogDatabase(path);
  assert.deepEqual(
    [...database.history('/', 0, 1_000)].map((row) => row.key),
    ['/registry/a/x'],
  );
  database.close();
});

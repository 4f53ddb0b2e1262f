import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, suite, test } from 'node:test';
import { LogDatabase } from './database.ts';
import { createSqliteStore } from './sqlite-store.ts';

suite('the database', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'wherry-database-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const row = (revision: number) => ({
    revision,
    key: '/registry/a',
    value: Buffer.from(String(revision)),
    createRevision: 1,
  });

  test('a new file is for its owner alone', () => {
    const path = join(folder, 'own.db');
    const before = process.umask(0o022);
    try {
      const database = new LogDatabase(path);
      database.append([row(1)]);
      for (const file of [path, `${path}-wal`]) assert.equal(statSync(file).mode & 0o777, 0o600, file);
      database.close();
    } finally {
      process.umask(before);
    }
  });

  test('writes go on after a compaction that failed', async () => {
    const path = join(folder, 'failing.db');
    new LogDatabase(path).close();
    const outside = new DatabaseSync(path);
    outside.exec(`CREATE TRIGGER kept BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'not now'); END`);
    outside.close();
    const database = new LogDatabase(path);
    database.append([row(2), row(3)]);
    await assert.rejects(
      database.compact(3, () => Promise.resolve()),
      /not now/,
    );
    database.append([row(4)]);
    assert.deepEqual(
      [...database.newest(0)].map(({ revision }) => revision),
      [4],
    );
    database.close();
  });

  for (const [what, lose] of [
    ['emptied', (path: string) => truncateSync(path)],
    ['removed', (path: string) => rmSync(path)],
  ] as const)
    test(`a file that was ${what} is not taken for a new one while the log of its writes is there`, async () => {
      const path = join(folder, `${what}.db`);
      const whole = join(folder, `${what}-whole.db`);
      const database = new LogDatabase(path);
      database.append([row(2)]);
      for (const end of ['', '-wal']) copyFileSync(path + end, whole + end);
      database.close();
      for (const end of ['', '-wal']) copyFileSync(whole + end, path + end);
      lose(path);
      await assert.rejects(createSqliteStore({ path }), new RegExp(`${what}.db: .*empty or gone`));
      copyFileSync(whole, path);
      const again = new LogDatabase(path);
      assert.equal(again.facts().revision, 2);
      again.close();
    });

  test('a damaged file is named', async () => {
    const path = join(folder, 'damaged.db');
    new LogDatabase(path).close();
    truncateSync(path, statSync(path).size / 2);
    await assert.rejects(createSqliteStore({ path }), /damaged\.db: .*malformed/);
  });

  test('a file that cannot be loaded is let go', async () => {
    const path = join(folder, 'odd.db');
    const outside = new DatabaseSync(path);
    outside.exec('CREATE TABLE log (revision, key, value, create_revision); PRAGMA user_version = 1');
    outside.close();
    await assert.rejects(createSqliteStore({ path }), /no such table: facts/);
    const again = new DatabaseSync(path);
    again.exec('BEGIN EXCLUSIVE; COMMIT');
    again.close();
  });
});

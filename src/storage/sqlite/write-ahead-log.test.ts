import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { LogDatabase } from './database.ts';
import { createSqliteStore } from './sqlite-store.ts';
import { findLogDamage } from './write-ahead-log.ts';

const frameBytes = 24 + 4096;
const startOf = (frame: number) => 32 + frame * frameBytes;
const writes = 30;

suite('the log of writes', () => {
  let folder: string;
  /** As a server that was killed leaves it, with its `-wal`. */
  let left: string;
  /** Of the log. */
  let whole: Buffer;
  let copies = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'wherry-log-'));
    left = join(folder, 'left.db');
    const path = join(folder, 'written.db');
    new LogDatabase(path).close();
    const database = new LogDatabase(path);
    for (let revision = 2; revision < 2 + writes; revision++)
      database.append([
        { revision, key: `/registry/${revision}`, value: Buffer.alloc(500), createRevision: revision },
      ]);
    for (const end of ['', '-wal']) copyFileSync(path + end, left + end);
    database.close();
    whole = readFileSync(`${left}-wal`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function copy(damage: (log: Buffer) => Buffer): string {
    const path = join(folder, `copy${copies++}.db`);
    copyFileSync(left, path);
    writeFileSync(`${path}-wal`, damage(Buffer.from(whole)));
    return path;
  }

  /** The log with other bytes at a place. */
  const changed =
    (at: number, length = 8) =>
    (log: Buffer) =>
      log.fill(0xa5, at, at + length);

  function revisionIn(path: string): number {
    const database = new LogDatabase(path);
    try {
      return database.facts().revision;
    } finally {
      database.close();
    }
  }

  test('is read to its end where it is whole', () => {
    const path = copy((log) => log);
    assert.equal(findLogDamage(`${path}-wal`), undefined);
    assert.equal(revisionIn(path), 1 + writes);
  });

  for (const [what, at, from] of [
    ["a page's content", startOf(20) + 500, 20],
    ["a frame's header", startOf(20), 20],
    ["a frame's salts", startOf(20) + 8, 20],
    ['its own header', 8, 0],
  ] as const)
    test(`is refused where ${what} is damaged and writes follow; cut there, it is read`, async () => {
      const path = copy(changed(at));
      await assert.rejects(
        createSqliteStore({ path }),
        new RegExp(`the log of writes is damaged, .*truncate -s ${startOf(from)} ${path}-wal$`),
      );
      assert.deepEqual(readFileSync(`${path}-wal`), changed(at)(Buffer.from(whole)));
      truncateSync(`${path}-wal`, startOf(from));
      const revision = revisionIn(path);
      assert.ok(revision < 1 + writes, String(revision));
    });

  test('is read without the last write where a power cut has left a part of that', () => {
    const last = Math.floor((whole.length - 32) / frameBytes) - 1;
    assert.equal(revisionIn(copy((log) => log.subarray(0, log.length - 100))), writes);
    assert.equal(revisionIn(copy(changed(startOf(last) + 500))), writes);
  });

  test('what a former log has left behind the present one is none of it', () => {
    const salts = Buffer.alloc(8, 1);
    const path = copy((log) => {
      for (let at = startOf(20); at < log.length; at += frameBytes) salts.copy(log, at + 8);
      return log;
    });
    assert.equal(findLogDamage(`${path}-wal`), undefined);
  });

  test('of a store without one there is nothing to say', () => {
    assert.equal(findLogDamage(join(folder, 'none-wal')), undefined);
    assert.equal(findLogDamage(`${copy(() => Buffer.alloc(0))}-wal`), undefined);
  });
});

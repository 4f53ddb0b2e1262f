/**
 * The SQLite file: one table that is the log of all writes. Synchronous; runs on the store's worker thread.
 * The newest row of a key is its current state; older rows are the history that compaction trims.
 */
import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { findLogDamage } from './write-ahead-log.ts';

export interface LogRow {
  revision: number;
  key: string;
  /** Null for a delete. */
  value: Uint8Array | null;
  createRevision: number;
}

/** A row with the previous one of the same key; `previous*` are null when there is none or it is a delete. */
export interface HistoryRow extends LogRow {
  previousValue: Uint8Array | null;
  previousRevision: number | null;
}

export interface LoadedFacts {
  revision: number;
  compacted: number;
}

/** Revisions that one compaction step covers before other work gets its turn. */
const compactionStepRevisions = 1_000;

const schemaVersion = 1;

export class LogDatabase {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(path: string) {
    refuseLostContent(path);
    refuseDamagedLog(`${path}-wal`);
    // A new one is its owner's alone, wherever it lies; SQLite gives its other files the same rights.
    closeSync(openSync(path, 'a', 0o600));
    this.#db = new DatabaseSync(path);
    this.#db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 4000;
      PRAGMA cache_size = -8000;
    `);
    this.#migrate();
    this.#insert = this.#db.prepare(
      'INSERT INTO log (revision, key, value, create_revision) VALUES (?, ?, ?, ?)',
    );
  }

  /** Durable when it returns: all rows or none. */
  append(rows: readonly LogRow[]): void {
    this.#inTransaction(() => {
      for (const row of rows) this.#insert.run(row.revision, row.key, row.value, row.createRevision);
    });
  }

  /** All of what `work` writes, or nothing: a transaction that is left open would take in all later writes. */
  #inTransaction(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  facts(): LoadedFacts {
    const newest = this.#db.prepare('SELECT coalesce(max(revision), 0) AS revision FROM log').get()!;
    const compacted = this.#db.prepare('SELECT compacted FROM facts').get()!.compacted as number;
    return { revision: Math.max(newest.revision as number, compacted, 1), compacted };
  }

  /** `Row`: what the query selects. */
  *#rows<Row>(query: string, ...parameters: SQLInputValue[]): Generator<Row, void, undefined> {
    for (const row of this.#db.prepare(query).iterate(...parameters)) yield row as Row;
  }

  /** The newest row of every key as of `revision`, deletes left out, in order of key; only keys after `after`. */
  stateAt(revision: number, prefix: string, after = ''): Generator<LogRow, void, undefined> {
    return this.#rows<LogRow>(
      `SELECT key, max(revision) AS revision, value, create_revision AS createRevision FROM log
       WHERE key >= ? AND key > ? AND key < ? AND revision <= ? GROUP BY key HAVING value IS NOT NULL ORDER BY key`,
      prefix,
      after,
      prefixEnd(prefix),
      revision,
    );
  }

  /** How many more keys there are `until` a revision than there were at `from`, of those under `prefix` after `after`. */
  growth(prefix: string, after: string, from: number, until: number): number {
    // The plus has the rows read by revision, as they stand in the file.
    const query = `SELECT coalesce(sum(CASE WHEN value IS NULL THEN -1 WHEN revision = create_revision THEN 1 END), 0) AS growth
      FROM log WHERE revision > ? AND revision <= ? AND +key > ? AND +key >= ? AND +key < ?`;
    const row = this.#db.prepare(query).get(from, until, after, prefix, prefixEnd(prefix))!;
    return row.growth as number;
  }

  /**
   * The newest rows of all keys, deletes left out, after `revision`, in order of revision: that is how they stand in the
   * file, so reading them all is reading it once from start to end.
   */
  newest(after: number): Generator<LogRow, void, undefined> {
    return this.#rows<LogRow>(
      `SELECT revision, key, value, create_revision AS createRevision FROM log
       WHERE revision > ? AND value IS NOT NULL AND NOT EXISTS
         (SELECT 1 FROM log AS newer WHERE newer.key = log.key AND newer.revision > log.revision)
       ORDER BY revision`,
      after,
    );
  }

  /** Every write under `prefix` with `from <= revision <= until`, ascending. */
  history(prefix: string, from: number, until: number): Generator<HistoryRow, void, undefined> {
    return this.#rows<HistoryRow>(
      `SELECT log.revision, log.key, log.value, log.create_revision AS createRevision,
              before.value AS previousValue, before.revision AS previousRevision
       FROM log LEFT JOIN log AS before ON before.key = log.key AND before.revision =
         (SELECT max(revision) FROM log AS older WHERE older.key = log.key AND older.revision < log.revision)
       WHERE log.revision BETWEEN ? AND ? AND log.key >= ? AND log.key < ? ORDER BY log.revision`,
      from,
      until,
      prefix,
      prefixEnd(prefix),
    );
  }

  /**
   * Forgets rows that no reader at `revision` or later needs. Looks only at writes since the last time: each makes the
   * older rows of its key superfluous, and a delete itself as well. `pause` runs between steps.
   */
  async compact(revision: number, pause: () => Promise<void>): Promise<void> {
    this.#db.prepare('UPDATE facts SET compacted = max(compacted, ?)').run(revision);
    const window =
      'SELECT key, max(revision) AS newest FROM log WHERE revision > ? AND revision <= ? GROUP BY key';
    const trimOlder = this.#db.prepare(
      `DELETE FROM log WHERE revision IN (
         SELECT log.revision FROM (${window}) AS w JOIN log ON log.key = w.key AND log.revision < w.newest)`,
    );
    const trimDeletes = this.#db.prepare(
      'DELETE FROM log WHERE revision > ? AND revision <= ? AND value IS NULL',
    );
    const remember = this.#db.prepare('UPDATE facts SET trimmed = ?');
    let trimmed = this.#db.prepare('SELECT trimmed FROM facts').get()!.trimmed as number;
    while (trimmed < revision) {
      const until = Math.min(revision, trimmed + compactionStepRevisions);
      const from = trimmed;
      this.#inTransaction(() => {
        trimOlder.run(from, until);
        trimDeletes.run(from, until);
        remember.run(until);
      });
      trimmed = until;
      await pause();
    }
  }

  sizeBytes(): number {
    const row = this.#db
      .prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()')
      .get()!;
    return row.bytes as number;
  }

  close(): void {
    this.#db.close();
  }

  #migrate(): void {
    const version = this.#db.prepare('PRAGMA user_version').get()!.user_version as number;
    if (version > schemaVersion) throw new Error(`the data file was written by a newer version (${version})`);
    if (version === schemaVersion) return;
    const create = `
      CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        value BLOB,
        create_revision INTEGER NOT NULL
      );
      CREATE INDEX log_by_key ON log (key, revision);
      CREATE TABLE facts (compacted INTEGER NOT NULL, trimmed INTEGER NOT NULL);
      INSERT INTO facts VALUES (0, 0);
      PRAGMA user_version = ${schemaVersion};
    `;
    this.#inTransaction(() => this.#db.exec(create));
  }
}

/**
 * SQLite takes an empty file for a new one and removes the log beside it, the last trace of what was there. A file of its own
 * making is never empty while it has such a log.
 */
function refuseLostContent(path: string): void {
  const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeOf(path) === 0 && sizeOf(`${path}-wal`) > 0)
    throw new Error('the file is empty or gone, but there is a log of writes (-wal) that belongs to it');
}

/** Whoever has lost acknowledged writes is to know, and to choose. */
function refuseDamagedLog(file: string): void {
  const damage = findLogDamage(file);
  if (!damage) return;
  const { atByte, transactions } = damage;
  throw new Error(
    `the log of writes is damaged, with at least ${transactions} transactions behind that place: ` +
      `bring both files back from a copy, or go on without those: truncate -s ${atByte} ${file}`,
  );
}

/** The first string after all that start with `prefix`. */
function prefixEnd(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

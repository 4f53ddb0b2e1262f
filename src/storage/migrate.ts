/** Carries everything that one store holds into another, e.g. from SQLite into etcd and back. */
import type { Revision, Store } from './store.ts';

/** Concurrent requests to the target. */
const copiesMax = 64;

export class TargetNotEmptyError extends Error {
  constructor(count: number, prefix: string) {
    super(`the target holds ${count} keys under ${prefix} already; an empty one is needed`);
    this.name = 'TargetNotEmptyError';
  }
}

/** The target is not complete, and what was written could not be taken back. */
export class PartlyMigratedError extends Error {
  constructor(count: number, prefix: string, cause: unknown) {
    super(`the migration broke off, and the target still holds ${count} keys under ${prefix}`, { cause });
    this.name = 'PartlyMigratedError';
  }
}

/**
 * Copies every key under `prefix` as of one revision of `from`. Revisions start over in `to`, so clients list again.
 * Nothing may write to `from` meanwhile.
 * @throws {TargetNotEmptyError} before anything is written.
 * @throws {PartlyMigratedError} when it fails and its keys cannot be removed; after any other failure `to` is empty.
 */
export async function migrateStore(
  from: Store,
  to: Store,
  prefix = '/registry/',
): Promise<{ copied: number }> {
  const existing = await to.list(prefix, { limit: 1_000 });
  if (existing.entries.length > 0) throw new TargetNotEmptyError(existing.entries.length, prefix);
  const { entries } = await from.list(prefix);
  const written: { key: string; revision: Revision }[] = [];
  try {
    await eachAtOnce(entries, async ({ key, value }) => {
      const result = await to.create(key, value);
      if (!result.ok) throw new Error(`${key} appeared in the target during the migration`);
      written.push({ key, revision: result.revision });
    });
  } catch (failure) {
    await takeBack(to, written, prefix, failure);
    throw failure;
  }
  return { copied: entries.length };
}

/** So that the migration can simply be repeated. Keys that somebody else wrote stay. */
async function takeBack(
  to: Store,
  written: readonly { key: string; revision: Revision }[],
  prefix: string,
  failure: unknown,
): Promise<void> {
  let left = written.length;
  try {
    await eachAtOnce(written, async ({ key, revision }) => {
      await to.delete(key, revision);
      left--;
    });
  } catch {
    throw new PartlyMigratedError(left, prefix, failure);
  }
}

/** A bounded number at once. After a failure nothing more is begun; it is thrown when nothing is under way any more. */
async function eachAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += copiesMax) {
    const outcomes = await Promise.allSettled(items.slice(start, start + copiesMax).map(work));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

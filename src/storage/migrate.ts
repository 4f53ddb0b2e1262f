/** Carries everything that one store holds into another, e.g. from SQLite into etcd and back. */
import type { Store } from './store.ts';

/** Concurrent writes. */
const copiesMax = 64;

export class TargetNotEmptyError extends Error {
  constructor(count: number, prefix: string) {
    super(`the target holds ${count} keys under ${prefix} already; an empty one is needed`);
    this.name = 'TargetNotEmptyError';
  }
}

/**
 * Copies every key under `prefix` as of one revision of `from`. Revisions start over in `to`, so clients list again.
 * Nothing may write to `from` meanwhile.
 * @throws {TargetNotEmptyError} before anything is written.
 */
export async function migrateStore(
  from: Store,
  to: Store,
  prefix = '/registry/',
): Promise<{ copied: number }> {
  const existing = await to.list(prefix, { limit: 1_000 });
  if (existing.entries.length > 0) throw new TargetNotEmptyError(existing.entries.length, prefix);
  const { entries } = await from.list(prefix);
  for (let start = 0; start < entries.length; start += copiesMax) {
    const slice = entries.slice(start, start + copiesMax);
    await Promise.all(
      slice.map(async ({ key, value }) => {
        const result = await to.create(key, value);
        if (!result.ok) throw new Error(`${key} appeared in the target during the migration`);
      }),
    );
  }
  return { copied: entries.length };
}

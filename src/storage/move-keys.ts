/** Carries the entries of one prefix to another, for stores that an older layout of keys wrote. */
import type { Store, StoredEntry } from './store.ts';

export interface KeyMove {
  /** Both end in a slash. */
  from: string;
  to: string;
}

/**
 * Returns how many entries it found at the old place. Each is written at its new place before it leaves the old one, so
 * that what breaks off can be done again, and several servers may do it at once. Where both are there, the younger value
 * stays: it was written by a server that knew only that place.
 */
export async function moveKeys(store: Store, { from, to }: KeyMove): Promise<number> {
  const { entries } = await store.list(from);
  for (const { key } of entries) await moveEntry(store, key, to + key.slice(from.length));
  return entries.length;
}

async function moveEntry(store: Store, oldKey: string, newKey: string): Promise<void> {
  // Another server may have moved it since it was listed, and its new one may be deleted again.
  let { entry: old } = await store.get(oldKey);
  while (old) {
    await writeUnlessYounger(store, newKey, old);
    const removed = await store.delete(oldKey, old.modRevision);
    // Somebody wrote to the old place meanwhile, or moved it.
    old = removed.ok ? undefined : removed.current;
  }
}

async function writeUnlessYounger(
  store: Store,
  key: string,
  { value, modRevision }: StoredEntry,
): Promise<void> {
  let written = await store.create(key, value);
  while (!written.ok) {
    const { current } = written;
    if (current && current.modRevision > modRevision) return;
    written = current ? await store.update(key, value, current.modRevision) : await store.create(key, value);
  }
}

/** The events of writes, and the check of revisions that are read: shared by the stores that decide in this process. */
import {
  CompactedError,
  FutureRevisionError,
  type Revision,
  type StoredEntry,
  type StoreEvent,
} from './store.ts';

export function creation(key: string, value: Uint8Array, revision: Revision): StoreEvent {
  return { type: 'put', key, value, revision, createRevision: revision };
}

export function replacement(current: StoredEntry, value: Uint8Array, revision: Revision): StoreEvent {
  const { key, createRevision } = current;
  const previous = { value: current.value, revision: current.modRevision };
  return { type: 'put', key, value, revision, createRevision, previous };
}

export function removal(current: StoredEntry, revision: Revision): StoreEvent {
  const { key, value, createRevision } = current;
  const previous = { value, revision: current.modRevision };
  return { type: 'delete', key, value, revision, createRevision, previous };
}

/** @throws CompactedError, FutureRevisionError when the store cannot read as of the revision. */
export function checkReadable(
  revision: Revision,
  { newest, compacted }: { newest: Revision; compacted: Revision },
): void {
  if (revision > newest) throw new FutureRevisionError(revision, newest);
  if (revision < compacted) throw new CompactedError(revision, compacted);
}

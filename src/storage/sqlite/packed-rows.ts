/** Many rows in a few buffers, to be sent between threads: thousands of small ones would cost more than what is in them. */
import type { StoredEntry } from '../store.ts';
import type { LogRow } from './database.ts';

export interface PackedRows {
  keys: string[];
  revisions: number[];
  createRevisions: number[];
  /** Of each value. */
  lengths: number[];
  /** The values one after another; none crosses from one chunk into the next. */
  chunks: Uint8Array<ArrayBuffer>[];
}

/** A chunk lives as long as one of its values: small ones keep little of what has been replaced since. */
const chunkBytes = 64 * 1024;

/** Rows that have a value. */
export function packRows(rows: Iterable<LogRow>): PackedRows {
  const packed: PackedRows = { keys: [], revisions: [], createRevisions: [], lengths: [], chunks: [] };
  let chunk = new Uint8Array(0);
  let used = 0;
  const finish = () => {
    // The rest of a chunk would be carried along, and kept, for nothing.
    if (used > 0) packed.chunks.push(used === chunk.length ? chunk : chunk.slice(0, used));
  };
  for (const { key, revision, createRevision, value } of rows) {
    const { length } = value!;
    if (used + length > chunk.length) {
      finish();
      chunk = new Uint8Array(Math.max(chunkBytes, length));
      used = 0;
    }
    chunk.set(value!, used);
    used += length;
    packed.keys.push(key);
    packed.revisions.push(revision);
    packed.createRevisions.push(createRevision);
    packed.lengths.push(length);
  }
  finish();
  return packed;
}

export function* unpackRows(packed: PackedRows): Generator<StoredEntry, void, undefined> {
  const { keys, revisions, createRevisions, lengths, chunks } = packed;
  let index = 0;
  let offset = 0;
  for (const [at, key] of keys.entries()) {
    const length = lengths[at]!;
    while (offset + length > chunks[index]!.length) {
      index++;
      offset = 0;
    }
    const value = chunks[index]!.subarray(offset, offset + length);
    offset += length;
    yield { key, value, createRevision: createRevisions[at]!, modRevision: revisions[at]! };
  }
}

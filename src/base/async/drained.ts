/** Waiting for a reader that is slower than its writer. */
import type { Writable } from 'node:stream';

/** Resolves when more may be written, or nobody reads any longer. */
export function drained(out: Writable): Promise<void> {
  if (out.destroyed || !out.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      out.off('drain', done);
      out.off('close', done);
      resolve();
    };
    out.on('drain', done);
    out.on('close', done);
  });
}

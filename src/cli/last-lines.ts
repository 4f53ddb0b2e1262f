/** Finds and reads the end of a log file, without the rest. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const chunkBytes = 64 * 1024;
const newline = 0x0a;

/** At most `count` lines, the newest last, of those that stand after the first `from` bytes. */
export function lastLines(file: string, count: number, from = 0): string[] {
  const handle = openSync(file, 'r');
  try {
    const to = fstatSync(handle).size;
    // A log that is shorter was put aside since.
    const start = startOfLastLines(handle, count, { from: from <= to ? from : 0, to });
    const bytes = Buffer.alloc(to - start);
    readSync(handle, bytes, 0, bytes.length, start);
    return bytes.length === 0 ? [] : bytes.toString().replace(/\n$/, '').split('\n');
  } finally {
    closeSync(handle);
  }
}

/** Where the last `count` lines begin, or fewer, of those between two places of the file. */
export function startOfLastLines(
  handle: number,
  count: number,
  { from, to }: { from: number; to: number },
): number {
  if (count === 0) return to;
  const chunk = Buffer.alloc(chunkBytes);
  let left = count;
  // What ends the last line begins none.
  for (let end = to - 1; end > from; ) {
    const start = Math.max(from, end - chunkBytes);
    const length = readSync(handle, chunk, 0, end - start, start);
    for (let at = length - 1; at >= 0; at--) {
      if (chunk[at] !== newline) continue;
      left--;
      if (left === 0) return start + at + 1;
    }
    end = start;
  }
  return from;
}

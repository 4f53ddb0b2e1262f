/** Reads the end of a log file, without the rest. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const bytesPerLineGuess = 512;

/** At most `count` lines, the newest last, of those that stand after the first `from` bytes. */
export function lastLines(file: string, count: number, from = 0): string[] {
  const handle = openSync(file, 'r');
  try {
    const end = fstatSync(handle).size;
    // A log that is shorter was put aside since.
    const size = from <= end ? end - from : end;
    for (let wanted = count * bytesPerLineGuess; ; wanted *= 4) {
      const length = Math.min(size, wanted);
      const bytes = Buffer.alloc(length);
      readSync(handle, bytes, 0, length, end - length);
      const lines = bytes.toString().replace(/\n$/, '').split('\n');
      if (length === size) return lines.slice(-count).filter((line) => line !== '' || lines.length > 1);
      if (lines.length > count) return lines.slice(-count);
    }
  } finally {
    closeSync(handle);
  }
}

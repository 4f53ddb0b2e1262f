/** The end of a log file, without reading all of it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const bytesPerLineGuess = 512;

/** At most `count` lines, the newest last. */
export function lastLines(file: string, count: number): string[] {
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    for (let wanted = count * bytesPerLineGuess; ; wanted *= 4) {
      const length = Math.min(size, wanted);
      const bytes = Buffer.alloc(length);
      readSync(handle, bytes, 0, length, size - length);
      const lines = bytes.toString().replace(/\n$/, '').split('\n');
      if (length === size) return lines.slice(-count).filter((line) => line !== '' || lines.length > 1);
      if (lines.length > count) return lines.slice(-count);
    }
  } finally {
    closeSync(handle);
  }
}

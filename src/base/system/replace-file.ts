/**
 * Writes a file so that it is never found half-written: whatever ends the writer, a full disk or a power cut, the file has
 * its former content or the new one.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

const defaultMode = 0o644;

/** The file gets `mode`, whatever it had. */
export function replaceFile(file: string, content: string | Uint8Array, mode: number = defaultMode): void {
  putInPlace(file, { content, mode }, (written) => renameSync(written, file));
}

/** The same, and leaves a file alone that has this content. */
export function replaceIfOther(file: string, content: string, mode: number = defaultMode): void {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== content) replaceFile(file, content, mode);
}

/** When several write the file at once, the first one's content stays. @returns false when it existed already */
export function createFile(file: string, content: string | Uint8Array, mode: number = defaultMode): boolean {
  try {
    // Unlike a rename, a link never replaces an existing file.
    putInPlace(file, { content, mode, mark: `.${process.pid}` }, (written) => linkSync(written, file));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function putInPlace(
  file: string,
  { content, mode, mark = '' }: { content: string | Uint8Array; mode: number; mark?: string },
  put: (written: string) => void,
): void {
  const written = `${file}${mark}.new`;
  try {
    rmSync(written, { force: true });
    const handle = openSync(written, 'wx', mode);
    try {
      writeFileSync(handle, content);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    put(written);
  } finally {
    rmSync(written, { force: true });
  }
  syncFolder(dirname(file));
}

/** The name of a new file is part of its folder, which is written on its own. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

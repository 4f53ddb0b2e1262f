/** Follows a log by its name, as `tail -F`: also when it is put aside and begun anew, or emptied. */
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isMissing } from '../base/system/if-missing.ts';

const chunkBytes = 64 * 1024;

/** Gives `write` what is added from now on; resolves when the signal aborts. */
export function followLog(file: string, write: (bytes: Buffer) => void, signal: AbortSignal): Promise<void> {
  const log = new FollowedLog(file, write);
  // The folder is watched: a watch of the file would stay with the one that is put aside.
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === null || name === basename(file)) log.read();
  });
  return new Promise((resolve, reject) => {
    const end = () => {
      watcher.close();
      log.close();
      resolve();
    };
    watcher.once('error', reject);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

class FollowedLog {
  readonly #file: string;
  readonly #write: (bytes: Buffer) => void;
  #handle: number;
  #offset: number;

  constructor(file: string, write: (bytes: Buffer) => void) {
    this.#file = file;
    this.#write = write;
    this.#handle = openSync(file, 'r');
    this.#offset = fstatSync(this.#handle).size;
  }

  read(): void {
    this.#readOn();
    const present = inodeOf(this.#file);
    // It has been put aside, and the next one is still to come.
    if (present === undefined || present === fstatSync(this.#handle).ino) return;
    closeSync(this.#handle);
    this.#handle = openSync(this.#file, 'r');
    this.#offset = 0;
    this.#readOn();
  }

  close(): void {
    closeSync(this.#handle);
  }

  #readOn(): void {
    if (fstatSync(this.#handle).size < this.#offset) this.#offset = 0;
    while (true) {
      const chunk = Buffer.alloc(chunkBytes);
      const count = readSync(this.#handle, chunk, 0, chunkBytes, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      this.#write(chunk.subarray(0, count));
    }
  }
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

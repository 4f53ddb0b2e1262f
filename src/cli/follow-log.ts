/** Follows a log by its name, as `tail -F`: also when it is put aside and begun anew, or emptied. */
import { closeSync, fstatSync, openSync, readSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { isMissing } from '../base/system/if-missing.ts';
import { startOfLastLines } from './last-lines.ts';

const chunkBytes = 64 * 1024;

export interface FollowOptions {
  file: string;
  /** How many of the lines that are there come first. */
  tail: number;
  write(bytes: Buffer): void;
}

/** Resolves when the signal aborts. */
export async function followLog({ file, tail, write }: FollowOptions, signal: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const log = new FollowedLog(file, tail, write);
  const read = () => {
    try {
      log.read();
    } catch (error) {
      ended.reject(error);
    }
  };
  // The folder is watched: a watch of the file would stay with the one that is put aside.
  const watcher = watch(dirname(file), (_event, name) => {
    if (name === null || name === basename(file)) read();
  });
  watcher.once('error', ended.reject);
  if (signal.aborted) ended.resolve();
  else signal.addEventListener('abort', () => ended.resolve(), { once: true });
  // What was added before the watch began is announced by nobody.
  read();
  try {
    await ended.promise;
  } finally {
    watcher.close();
    log.close();
  }
}

class FollowedLog {
  readonly #file: string;
  readonly #write: (bytes: Buffer) => void;
  #handle: number;
  #offset: number;

  constructor(file: string, tail: number, write: (bytes: Buffer) => void) {
    this.#file = file;
    this.#write = write;
    this.#handle = openSync(file, 'r');
    this.#offset = startOfLastLines(this.#handle, tail, { from: 0, to: fstatSync(this.#handle).size });
  }

  /** Gives what was added, of one log after the other. */
  read(): void {
    for (;;) {
      // Looked for first: once it is there, nothing more is added to the one that was put aside for it.
      const next = this.#openNext();
      this.#readOn();
      if (next === undefined) return;
      closeSync(this.#handle);
      this.#handle = next;
      this.#offset = 0;
    }
  }

  close(): void {
    closeSync(this.#handle);
  }

  /** The log of that name, when it is another one than before. */
  #openNext(): number | undefined {
    let handle: number;
    try {
      handle = openSync(this.#file, 'r');
    } catch (error) {
      // The last one has been put aside, and the next is still to come.
      if (isMissing(error)) return undefined;
      throw error;
    }
    if (fstatSync(handle).ino !== fstatSync(this.#handle).ino) return handle;
    closeSync(handle);
    return undefined;
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

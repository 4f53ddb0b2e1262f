/**
 * The files of one container's log: the active one and those that rotation put aside, plain or packed. Which of two came
 * first is told by the times of their first lines, since packing a file changes its name and its inode.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ifMissing } from '../../../base/system/if-missing.ts';
import { chunksOf, isBefore, parseLogLine, readLines, type TakeLine, takeLines } from './log-reader.ts';

export interface LogFile {
  inode: number;
  /** The time of the first line. Undefined as long as there is none. */
  startedAt(): Promise<string | undefined>;
  /** Gives the lines that have not been given yet. */
  readNew(take: TakeLine): Promise<void>;
  close(): Promise<void>;
}

export class PlainLogFile implements LogFile {
  readonly handle: FileHandle;
  readonly inode: number;
  /** Up to where lines have been given. */
  offset = 0;

  constructor(handle: FileHandle, inode: number) {
    this.handle = handle;
    this.inode = inode;
  }

  async startedAt(): Promise<string | undefined> {
    let time: string | undefined;
    await readLines(this.handle, 0, (line) => {
      time = parseLogLine(line)?.time;
      return time === undefined;
    });
    return time;
  }

  async readNew(take: TakeLine): Promise<void> {
    this.offset = await readLines(this.handle, this.offset, take);
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

class PackedLogFile implements LogFile {
  readonly #handle: FileHandle;
  readonly inode: number;
  #isRead = false;

  constructor(handle: FileHandle, inode: number) {
    this.#handle = handle;
    this.inode = inode;
  }

  async startedAt(): Promise<string | undefined> {
    let time: string | undefined;
    await takeLines(this.#unpacked(), (line) => {
      time = parseLogLine(line)?.time;
      return time === undefined;
    });
    return time;
  }

  async readNew(take: TakeLine): Promise<void> {
    if (this.#isRead) return;
    this.#isRead = true;
    await takeLines(this.#unpacked(), take);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async *#unpacked(): AsyncGenerator<Buffer> {
    const source = Readable.from(chunksOf(this.#handle), { objectMode: false });
    const unpacking = createGunzip();
    source.on('error', (error) => unpacking.destroy(error));
    try {
      yield* source.pipe(unpacking);
    } catch (error) {
      // A file that a loss of power cut short has the lines that it has.
      if (!isDamage(error)) throw error;
    } finally {
      source.destroy();
      unpacking.destroy();
    }
  }
}

function isDamage(error: unknown): boolean {
  return /^Z_(BUF|DATA)_ERROR$/.test((error as NodeJS.ErrnoException).code ?? '');
}

/** Undefined: there is no such file. */
export async function openLog(path: string): Promise<PlainLogFile | undefined> {
  const opened = await openFile(path);
  return opened && new PlainLogFile(opened.handle, opened.inode);
}

/**
 * The file that was begun next after `held`, which must have been the active one at some time. Undefined: none has a line
 * yet. Once there is one, nothing is added to `held` any more: a container writes to its log in order.
 */
export async function openNextLog(path: string, held: LogFile): Promise<LogFile | undefined> {
  const active = await openLog(path);
  if (active?.inode === held.inode) {
    await active.close();
    return undefined;
  }
  const heldStart = await held.startedAt();
  // The folder is read after the active file was opened: what was put aside before is in it, and nothing is passed over.
  const names = heldStart === undefined ? [] : await rotatedNames(path);
  const later: LogFile[] = active ? [active] : [];
  let next: LogFile | undefined;
  try {
    for (const name of names) {
      const file = await openRotated(join(dirname(path), name));
      if (file) later.push(file);
    }
    // A file without lines that was put aside: only its removal by hand does this.
    if (heldStart === undefined) next = active;
    else next = await earliestAfter(heldStart, later);
  } finally {
    for (const file of later) if (file !== next) await file.close();
  }
  return next;
}

async function earliestAfter(start: string, files: readonly LogFile[]): Promise<LogFile | undefined> {
  let earliest: { file: LogFile; start: string } | undefined;
  for (const file of files) {
    const own = await file.startedAt();
    if (own === undefined || !isBefore(start, own)) continue;
    if (!earliest || isBefore(own, earliest.start)) earliest = { file, start: own };
  }
  return earliest?.file;
}

/** A file that was packed since its name was read is opened as what it is now. */
export async function openRotated(path: string): Promise<LogFile | undefined> {
  const plain = path.endsWith('.gz') ? undefined : await openLog(path);
  if (plain) return plain;
  const packed = await openFile(path.endsWith('.gz') ? path : `${path}.gz`);
  return packed && new PackedLogFile(packed.handle, packed.inode);
}

/** The file that was put aside last, unless that is `held` itself. */
export async function openPreviousLog(path: string, held: LogFile): Promise<PlainLogFile | undefined> {
  // Of the files that were put aside, the newest is not packed.
  const newest = (await rotatedNames(path)).filter((name) => !name.endsWith('.gz')).at(-1);
  const previous = newest === undefined ? undefined : await openLog(join(dirname(path), newest));
  if (previous?.inode !== held.inode) return previous;
  await previous.close();
  return undefined;
}

/** The oldest first: names end in their time. While a file is being packed, both of it exist. */
async function rotatedNames(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(ifMissing([]));
  const prefix = `${basename(path)}.`;
  return names.filter((name) => name.startsWith(prefix) && !name.endsWith('.tmp')).sort();
}

async function openFile(path: string): Promise<{ handle: FileHandle; inode: number } | undefined> {
  const handle = await open(path, 'r').catch(ifMissing(undefined));
  if (!handle) return undefined;
  try {
    return { handle, inode: (await handle.stat()).ino };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

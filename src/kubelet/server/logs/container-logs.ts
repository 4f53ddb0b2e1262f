/** Serves a container's log: the options of `kubectl logs` over files in CRI's format, followed while it runs. */
import { type FSWatcher, watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type LogFile, openLog, openNextLog, openPreviousLog, type PlainLogFile } from './log-files.ts';
import { findTailOffset, isBefore, parseLogLine, readLines } from './log-reader.ts';

export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  tailLines?: number;
  limitBytes?: number;
  /** RFC 3339 with up to nanoseconds; earlier lines are left out. */
  since?: string;
  stream?: 'stdout' | 'stderr';
}

export interface LogSink {
  /** Resolves when more may be written; false: the client is gone. */
  write(data: Buffer): Promise<boolean>;
  signal: AbortSignal;
}

/** How long a follower waits for an event of the folder before it checks by itself: watches can miss events. */
const lookMs = 1000;

/**
 * `isRunning`: whether more may be written. Ends when the container has ended and everything is read, or with the sink.
 */
export async function serveLog(
  path: string,
  options: LogOptions,
  sink: LogSink,
  isRunning: () => Promise<boolean>,
): Promise<void> {
  const sender = new LineSender(options, sink);
  const file = await openLog(path);
  if (!file) return;
  const held: { file: LogFile } = { file };
  try {
    const { size } = await file.handle.stat();
    if (options.tailLines !== undefined)
      file.offset = await startOfTail(file, { path, size }, options.tailLines, sender);
    // What is written during the read is not part of the answer: no more lines than requested.
    if (!options.follow) await readLines(file.handle, file.offset, sender.take, size);
    else await follow(path, held, sender, isRunning);
  } finally {
    await held.file.close();
  }
}
/** Gives what is written until the container ends; `held` goes on from file to file. */
async function follow(
  path: string,
  held: { file: LogFile },
  sender: LineSender,
  isRunning: () => Promise<boolean>,
): Promise<void> {
  const changes = new FolderChanges(dirname(path));
  try {
    for (;;) {
      // Whether it runs is determined before reading: if it has ended, everything it wrote is then in the files.
      const mayGrow = await isRunning();
      await held.file.readNew(sender.take);
      if (sender.isDone) return;
      const next = await openNextLog(path, held.file);
      if (next) {
        const { file } = held;
        held.file = next;
        try {
          // What was added between the read and the rotation.
          await file.readNew(sender.take);
        } finally {
          await file.close();
        }
      } else if (mayGrow) await changes.next(sender.signal);
      else return;
    }
  } finally {
    changes.close();
  }
}

/** When there are fewer lines than requested, a rotated predecessor may hold the rest. */
async function startOfTail(
  file: PlainLogFile,
  { path, size }: { path: string; size: number },
  lines: number,
  sender: LineSender,
): Promise<number> {
  const offset = await findTailOffset(file.handle, lines, size);
  if (offset > 0 || lines <= 0) return offset;
  const present = await countLines(file.handle, size);
  if (present >= lines) return 0;
  const previous = await openPreviousLog(path, file);
  if (!previous) return 0;
  try {
    const { size: oldSize } = await previous.handle.stat();
    await readLines(
      previous.handle,
      await findTailOffset(previous.handle, lines - present, oldSize),
      sender.take,
    );
  } finally {
    await previous.close();
  }
  return 0;
}

async function countLines(file: FileHandle, size: number): Promise<number> {
  let count = 0;
  const take = () => {
    count++;
    return true;
  };
  await readLines(file, 0, take, size);
  return count;
}

class LineSender {
  readonly #options: LogOptions;
  readonly #sink: LogSink;
  #leftBytes: number;
  #isDone = false;

  constructor(options: LogOptions, sink: LogSink) {
    this.#options = options;
    this.#sink = sink;
    this.#leftBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  get signal(): AbortSignal {
    return this.#sink.signal;
  }

  /** The client wants no more, or is gone. */
  get isDone(): boolean {
    return this.#isDone || this.signal.aborted;
  }

  /** False: the client wants no more. */
  readonly take = async (raw: Buffer): Promise<boolean> => {
    if (this.#isDone) return false;
    const line = parseLogLine(raw);
    if (!line) return true;
    const { since, stream, timestamps } = this.#options;
    if (stream && line.stream !== stream) return true;
    if (since && isBefore(line.time, since)) return true;
    let data = timestamps ? Buffer.concat([Buffer.from(`${line.time} `), line.text]) : line.text;
    if (data.length > this.#leftBytes) data = data.subarray(0, this.#leftBytes);
    this.#leftBytes -= data.length;
    const more = await this.#sink.write(data);
    this.#isDone = !more || this.#leftBytes <= 0;
    return !this.#isDone;
  };
}

/** Tells when something happens to files of a folder, also if it was before the question. */
class FolderChanges {
  readonly #watcher: FSWatcher | undefined;
  #isChanged = false;
  #wake?: () => void;

  constructor(folder: string) {
    const changed = () => {
      this.#isChanged = true;
      this.#wake?.();
    };
    try {
      this.#watcher = watch(folder, changed);
      this.#watcher.on('error', changed);
    } catch {
      // The pod is being deleted, or the machine has run out of watches: it is looked from time to time anyway.
      this.#watcher = undefined;
    }
  }

  /** Resolves with the next change, after a delay, or when the signal aborts. */
  async next(signal: AbortSignal): Promise<void> {
    if (!this.#isChanged && !signal.aborted)
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, lookMs);
        signal.addEventListener('abort', done, { once: true });
        this.#wake = done;
      });
    this.#isChanged = false;
  }

  close(): void {
    this.#watcher?.close();
  }
}

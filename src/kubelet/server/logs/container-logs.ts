/** Serves a container's log: the options of `kubectl logs` over files in CRI's format, followed while it runs. */
import { watch } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifMissing } from '../../../base/system/if-missing.ts';
import { findTailOffset, parseLogLine, readLines } from './log-reader.ts';

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

/** How long a follower waits for a file event before it checks by itself: watches can miss events. */
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
  let file = await openLog(path);
  if (!file) return;
  try {
    const { size } = await file.stat();
    let offset =
      options.tailLines === undefined
        ? 0
        : await startOfTail(file, { path, size }, options.tailLines, sender);
    if (!options.follow) {
      // What is written during the read is not part of the answer: no more lines than requested.
      await readLines(file, offset, (line) => sender.send(line), size);
      return;
    }
    for (;;) {
      // Whether it runs is determined before reading: if it has ended, everything it wrote is then in the file.
      const mayGrow = await isRunning();
      offset = await readLines(file, offset, (line) => sender.send(line));
      if (sender.isDone || sink.signal.aborted || !mayGrow) return;
      const rotated = await reopenIfRotated(file, path);
      if (rotated) {
        await readLines(file, offset, (line) => sender.send(line));
        await file.close();
        file = rotated;
        offset = 0;
        continue;
      }
      await changed(path, sink.signal);
    }
  } finally {
    await file.close();
  }
}

/** When there are fewer lines than requested, a rotated predecessor may hold the rest. */
async function startOfTail(
  file: FileHandle,
  { path, size }: { path: string; size: number },
  lines: number,
  sender: LineSender,
): Promise<number> {
  const offset = await findTailOffset(file, lines, size);
  if (offset > 0 || lines <= 0) return offset;
  const present = await countLines(file, size);
  if (present >= lines) return 0;
  const previous = await newestRotated(path);
  const old = previous === undefined ? undefined : await openLog(previous);
  if (!old) return 0;
  try {
    const { size: oldSize } = await old.stat();
    await readLines(old, await findTailOffset(old, lines - present, oldSize), (line) => sender.send(line));
  } finally {
    await old.close();
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

async function newestRotated(path: string): Promise<string | undefined> {
  const names = await readdir(dirname(path)).catch(ifMissing([]));
  const prefix = `${basename(path)}.`;
  const newest = names
    // While a log is being compressed, both files exist.
    .filter((name) => name.startsWith(prefix) && !/\.(gz|tmp)$/.test(name))
    .sort()
    .at(-1);
  return newest === undefined ? undefined : join(dirname(path), newest);
}

class LineSender {
  readonly #options: LogOptions;
  readonly #sink: LogSink;
  #leftBytes: number;
  isDone = false;

  constructor(options: LogOptions, sink: LogSink) {
    this.#options = options;
    this.#sink = sink;
    this.#leftBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** False: the client wants no more. */
  async send(raw: Buffer): Promise<boolean> {
    const line = parseLogLine(raw);
    if (!line) return true;
    const { since, stream, timestamps } = this.#options;
    if (stream && line.stream !== stream) return true;
    if (since && isBefore(line.time, since)) return true;
    let data = timestamps ? Buffer.concat([Buffer.from(`${line.time} `), line.text]) : line.text;
    if (data.length > this.#leftBytes) data = data.subarray(0, this.#leftBytes);
    this.#leftBytes -= data.length;
    const more = await this.#sink.write(data);
    this.isDone = !more || this.#leftBytes <= 0;
    return !this.isDone;
  }
}

/** Compares times in UTC of different precision. */
export function isBefore(time: string, since: string): boolean {
  const difference = Date.parse(time) - Date.parse(since);
  if (difference !== 0) return difference < 0;
  const fraction = (text: string) => (/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(9, '0');
  return fraction(time) < fraction(since);
}

function openLog(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch(ifMissing(undefined));
}

/** The new file, when the path now leads to another one. */
async function reopenIfRotated(file: FileHandle, path: string): Promise<FileHandle | undefined> {
  const [held, current] = await Promise.all([file.stat(), stat(path).catch(ifMissing(undefined))]);
  if (!current || current.ino === held.ino) return undefined;
  return openLog(path);
}

/** Resolves when something happens to the file, or after a delay. */
function changed(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      watcher?.close();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, lookMs);
    signal.addEventListener('abort', done, { once: true });
    let watcher: ReturnType<typeof watch> | undefined;
    try {
      watcher = watch(path, done);
      watcher.on('error', done);
    } catch {
      // The file is being rotated; the timer triggers another check.
      watcher = undefined;
    }
  });
}

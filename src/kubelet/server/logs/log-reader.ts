/** Reads log files in CRI's format: `time stream tag text` per line, parts of long lines tagged P. */
import { type FileHandle, open } from 'node:fs/promises';
import { ifMissing } from '../../../base/system/if-missing.ts';

export interface LogLine {
  /** As written: RFC 3339 with nanoseconds. */
  time: string;
  stream: 'stdout' | 'stderr';
  /** With its newline, unless it is part of a longer line. */
  text: Buffer;
}

/** False: no more lines are wanted. */
export type TakeLine = (line: Buffer) => Promise<boolean> | boolean;

const space = 0x20;
const newline = 0x0a;
const chunkBytes = 64 * 1024;

/** Undefined for a line in another format. */
export function parseLogLine(line: Buffer): LogLine | undefined {
  const first = line.indexOf(space);
  const second = line.indexOf(space, first + 1);
  const third = line.indexOf(space, second + 1);
  if (first < 0 || second < 0) return undefined;
  const tag = line.toString('latin1', second + 1, third < 0 ? line.length : third);
  const stream = line.toString('latin1', first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const content = third < 0 ? Buffer.alloc(0) : line.subarray(third + 1);
  const isPartial = tag.split(':')[0] === 'P';
  return {
    time: line.toString('latin1', 0, first),
    stream,
    text: isPartial ? content : Buffer.concat([content, Buffer.from('\n')]),
  };
}

/** Compares times in UTC of different precision. */
export function isBefore(time: string, since: string): boolean {
  const difference = Date.parse(time) - Date.parse(since);
  if (difference !== 0) return difference < 0;
  const fraction = (text: string) => (/\.(\d+)/.exec(text)?.[1] ?? '').padEnd(9, '0');
  return fraction(time) < fraction(since);
}

/** The offset of the last `count` lines within the first `size` bytes of a file. */
export async function findTailOffset(file: FileHandle, count: number, size: number): Promise<number> {
  if (count <= 0) return size;
  const buffer = Buffer.alloc(chunkBytes);
  let end = size;
  let found = 0;
  while (end > 0) {
    const start = Math.max(0, end - chunkBytes);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    for (let index = bytesRead - 1; index >= 0; index--) {
      // A newline at the very end ends the last line, and begins no new one.
      if (buffer[index] !== newline || start + index === size - 1) continue;
      if (++found === count) return start + index + 1;
    }
    end = start;
  }
  return 0;
}

/** Whole lines from an offset to the present end of the file, or up to `limit`; returns where it stopped. */
export async function readLines(
  file: FileHandle,
  offset: number,
  take: TakeLine,
  limit = Number.POSITIVE_INFINITY,
): Promise<number> {
  return offset + (await takeLines(chunksOf(file, offset, limit), take));
}

export async function* chunksOf(
  file: FileHandle,
  offset = 0,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer> {
  for (let position = offset; position < limit; ) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, limit - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Gives the whole lines of what is read; returns how many bytes they had, with their ends. */
export async function takeLines(chunks: AsyncIterable<Buffer>, take: TakeLine): Promise<number> {
  let rest: Buffer = Buffer.alloc(0);
  let taken = 0;
  for await (const chunk of chunks) {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline)) {
      taken += end + 1;
      if (!(await take(data.subarray(0, end)))) return taken;
      data = data.subarray(end + 1);
    }
    rest = data;
  }
  return taken;
}

/** The text of the last lines, within limits: for termination messages. @throws for a file that is missing */
export async function readLastLogLines(path: string, linesMax: number, bytesMax: number): Promise<string> {
  const all = Buffer.concat((await readTail(path, linesMax)).map(({ text }) => text));
  return all.subarray(Math.max(0, all.length - bytesMax)).toString('utf8');
}

/** When the last line was written, in milliseconds since the epoch; -Infinity for an empty log and for none. */
export async function lastLoggedAtMs(path: string): Promise<number> {
  const [line] = await readTail(path, 1).catch(ifMissing([]));
  return line ? Date.parse(line.time) : Number.NEGATIVE_INFINITY;
}

async function readTail(path: string, linesMax: number): Promise<LogLine[]> {
  const file = await open(path, 'r');
  try {
    const lines: LogLine[] = [];
    const { size } = await file.stat();
    await readLines(file, await findTailOffset(file, linesMax, size), (line) => {
      const parsed = parseLogLine(line);
      if (parsed) lines.push(parsed);
      return true;
    });
    return lines;
  } finally {
    await file.close();
  }
}

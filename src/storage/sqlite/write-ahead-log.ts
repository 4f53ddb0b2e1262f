/**
 * Looks through SQLite's log of writes before SQLite does. SQLite reads it up to the first frame that is not whole, which is
 * right for what a power cut has left at its end, and goes on from there without a word: acknowledged writes after a damaged
 * frame would be gone. The format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { isMissing } from '../../base/system/if-missing.ts';

/** Of a log with a part that cannot be read, although it was acknowledged. */
export interface LogDamage {
  /** Where the part that can be read ends. */
  atByte: number;
  /** At least so many transactions follow. */
  transactions: number;
}

const headerBytes = 32;
const frameHeaderBytes = 24;
/** What a frame's checksum covers of its header. */
const summedHeaderBytes = 8;
const magicLittleEndian = 0x377f0682;
/** Of a header that cannot be read. */
const usualPageBytes = 4096;
/**
 * A transaction begins when the one before is on the disk. A power cut leaves no more than a part of one, though maybe its
 * last frame without the others.
 */
const unacknowledgedMax = 1;

type Sums = readonly [number, number];

/** Undefined: all that was acknowledged can be read, or there is no log. */
export function findLogDamage(file: string): LogDamage | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return bytes.length < headerBytes + frameHeaderBytes ? undefined : damageOf(new Frames(bytes));
}

function damageOf(frames: Frames): LogDamage | undefined {
  let sums = frames.header;
  let frame = 0;
  while (sums && frame < frames.count && frames.isOfThisLog(frame) && frames.fits(frame, sums))
    sums = frames.sumsOf(frame++);
  const damaged = frame;
  let transactions = 0;
  let inRow = 0;
  // Frames that were written in a row: the sums of each follow from those in the one before.
  for (frame++; frame < frames.count; frame++) {
    const follows = frames.isOfThisLog(frame) && frames.fits(frame, frames.sumsOf(frame - 1));
    inRow = follows ? inRow + (frames.isCommit(frame) ? 1 : 0) : 0;
    transactions = Math.max(transactions, inRow);
  }
  return transactions > unacknowledgedMax ? { atByte: frames.startOf(damaged), transactions } : undefined;
}

class Frames {
  readonly count: number;
  /** The sums that the first frame's follow from; undefined when the header is damaged. */
  readonly header: Sums | undefined;
  readonly #bytes: Buffer;
  readonly #frameBytes: number;
  readonly #salts: Buffer;
  readonly #isLittleEndian: boolean;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const isMarkedLittle = bytes.readUInt32BE(0) === magicLittleEndian;
    this.#isLittleEndian = isMarkedLittle;
    const written: Sums = [bytes.readUInt32BE(24), bytes.readUInt32BE(28)];
    const isWhole = isSame(this.#sum([0, 0], 0, 24), written);
    if (!isWhole) this.#isLittleEndian = endianness() === 'LE';
    this.header = isWhole ? written : undefined;
    this.#frameBytes = frameHeaderBytes + (isWhole ? bytes.readUInt32BE(8) : usualPageBytes);
    this.#salts = isWhole ? bytes.subarray(16, 24) : bytes.subarray(headerBytes + 8, headerBytes + 16);
    this.count = Math.floor((bytes.length - headerBytes) / this.#frameBytes);
  }

  startOf(frame: number): number {
    return headerBytes + frame * this.#frameBytes;
  }

  /** After a checkpoint the log is written anew from its start, over the frames of the former one. */
  isOfThisLog(frame: number): boolean {
    const at = this.startOf(frame) + 8;
    return this.#bytes.subarray(at, at + 8).equals(this.#salts);
  }

  isCommit(frame: number): boolean {
    return this.#bytes.readUInt32BE(this.startOf(frame) + 4) !== 0;
  }

  sumsOf(frame: number): Sums {
    const at = this.startOf(frame) + 16;
    return [this.#bytes.readUInt32BE(at), this.#bytes.readUInt32BE(at + 4)];
  }

  fits(frame: number, before: Sums): boolean {
    const at = this.startOf(frame);
    const ofHeader = this.#sum(before, at, at + summedHeaderBytes);
    return isSame(this.#sum(ofHeader, at + frameHeaderBytes, at + this.#frameBytes), this.sumsOf(frame));
  }

  #sum([first, second]: Sums, start: number, end: number): Sums {
    const bytes = this.#bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let one = first;
    let two = second;
    for (let at = start; at < end; at += 8) {
      one = (one + view.getUint32(at, this.#isLittleEndian) + two) >>> 0;
      two = (two + view.getUint32(at + 4, this.#isLittleEndian) + one) >>> 0;
    }
    return [one, two];
  }
}

const isSame = (some: Sums, others: Sums) => some[0] === others[0] && some[1] === others[1];

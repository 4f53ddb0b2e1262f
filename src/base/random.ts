/** Randomness as a dependency: the system's for real runs, a seeded one for runs that must repeat. */
import { randomBytes, randomUUID } from 'node:crypto';

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A version 4 UUID. */
  uuid(): string;
  /** `length` characters of Kubernetes' suffix alphabet (no vowels, no 0, 1 and 3, so that no words result). */
  suffix(length: number): string;
}

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

function suffixFrom(next: () => number, length: number): string {
  let text = '';
  for (let index = 0; index < length; index++)
    text += suffixAlphabet[Math.floor(next() * suffixAlphabet.length)];
  return text;
}

/** Random bytes are dear one call at a time and cheap by the page. */
const poolBytes = 4096;
let pool = Buffer.alloc(0);
let poolAt = 0;

function systemNext(): number {
  if (poolAt >= pool.length) {
    pool = randomBytes(poolBytes);
    poolAt = 0;
  }
  const value = pool.readUInt32LE(poolAt) / 2 ** 32;
  poolAt += 4;
  return value;
}

export const systemRandom: Random = {
  next: systemNext,
  uuid: () => randomUUID(),
  suffix: (length) => suffixFrom(systemNext, length),
};

/** The same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    suffix: (length) => suffixFrom(next, length),
    uuid: () => {
      const hex = Array.from({ length: 32 }, () => Math.floor(next() * 16).toString(16));
      hex[12] = '4';
      hex[16] = '89ab'[Math.floor(next() * 4)]!;
      const text = hex.join('');
      return [
        text.slice(0, 8),
        text.slice(8, 12),
        text.slice(12, 16),
        text.slice(16, 20),
        text.slice(20),
      ].join('-');
    },
  };
}

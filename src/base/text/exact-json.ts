/**
 * JSON whose whole numbers keep all their digits: those that JavaScript's numbers cannot hold, up to 64 bits, are bigints
 * among the values, and bigints are written as plain numbers.
 */

declare global {
  interface JSON {
    /** Standard since ES2026 (JSON.parse source text access); TypeScript's library does not declare it yet. */
    rawJSON(text: string): unknown;
  }
}

let bigintsWritten = 0;

// Code that writes API objects may write bigints, too: toJSON is the only hook that JSON.stringify itself offers.
Object.defineProperty(BigInt.prototype, 'toJSON', {
  value(this: bigint): unknown {
    bigintsWritten++;
    return JSON.rawJSON(String(this));
  },
  writable: true,
  configurable: true,
});

/** What a whole number of 16 digits or more looks like: nearly no text has one, and that is quickly seen. */
const longInteger = /[:[,]\s*-?\d{16}/;

export interface ExactJson {
  value: unknown;
  /** Code that computes with numbers should use {@link roundedIntegers}. */
  hasBigints: boolean;
}

/** As `JSON.parse`. @throws SyntaxError */
export function readExactJson(text: string): ExactJson {
  if (!longInteger.test(text)) return { value: JSON.parse(text), hasBigints: false };
  let hasBigints = false;
  const revive: Reviver = (_, value, { source }) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value) || source === undefined) return value;
    const exact = exactInteger(source);
    if (exact !== undefined) hasBigints = true;
    return exact ?? value;
  };
  const value: unknown = JSON.parse(text, revive as (key: string, value: unknown) => unknown);
  return { value, hasBigints };
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

/** As `JSON.parse`. @throws SyntaxError */
export function parseExactJson(text: string): unknown {
  return readExactJson(text).value;
}

/** As `JSON.stringify`, and whether there were bigints. */
export function writeExactJson(value: object): { text: string; hasBigints: boolean } {
  const before = bigintsWritten;
  const text = JSON.stringify(value);
  return { text, hasBigints: bigintsWritten !== before };
}

/** The bigint that a literal stands for; undefined for fractions, exponents, and what 64 bits do not hold. */
export function exactInteger(literal: string): bigint | undefined {
  if (!/^-?\d{1,20}$/.test(literal)) return undefined;
  const value = BigInt(literal);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** A copy in which bigints are the nearest numbers, for who calculates. */
export function roundedIntegers<T>(value: T): T {
  return rounded(value) as T;
}

function rounded(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(rounded);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)]));
}

/**
 * Quantities such as `100m`, `1.5Gi` or `2e3`: exact values (in billionths), upstream's canonical text,
 * and quick roundings to whole numbers for those who calculate with resources.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/** An exact amount. Immutable. */
export interface Quantity {
  /** The value times 10⁹; what is finer was rounded away from zero, as upstream does. */
  readonly nanos: bigint;
  /** The format in which it was written, and in which sums of it are written. */
  readonly format: QuantityFormat;
}

export class QuantityError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'QuantityError';
  }
}

const nanosPerUnit = 1_000_000_000n;
const malformed =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const badSuffix = "unable to parse quantity's suffix";

/** Powers of two by suffix. */
export const binaryExponents: Readonly<Record<string, bigint>> = {
  Ki: 10n,
  Mi: 20n,
  Gi: 30n,
  Ti: 40n,
  Pi: 50n,
  Ei: 60n,
};
/** Powers of ten by suffix. */
export const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
/** Upstream takes no more of what is written in powers of two. */
const binaryNanosMax = (2n ** 63n - 1n) * nanosPerUnit;
/** No exponent beyond this is taken: the number would only cost memory. */
const exponentMax = 99;
const textLengthMax = 200;

export const zeroQuantity: Quantity = { nanos: 0n, format: 'DecimalSI' };

/** Cached: a cluster has few different amounts. @throws {QuantityError} with upstream's words. */
export function parseQuantity(input: string | number): Quantity {
  return cached(quantityCache, String(input), readQuantity);
}

function readQuantity(text: string): Quantity {
  const match =
    text.length > textLengthMax ? null : /^([+-]?)(\d*)(?:\.(\d*))?([a-zA-Z]*[-+]?\d*)$/.exec(text);
  if (!match) throw new QuantityError(malformed);
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') throw new QuantityError(malformed);
  if (!/^[eEinumkKMGTP]*[-+]?\d*$/.test(suffix)) throw new QuantityError(malformed);

  const digits = BigInt(whole + fraction);
  const { format, numerator, exponent } = readSuffix(suffix);
  const exact = scaleUp(digits * numerator, exponent + 9 - fraction.length);
  const nanos = format === 'BinarySI' && exact > binaryNanosMax ? binaryNanosMax : exact;
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

function readSuffix(suffix: string): { format: QuantityFormat; numerator: bigint; exponent: number } {
  const binary = binaryExponents[suffix];
  if (binary !== undefined) return { format: 'BinarySI', numerator: 1n << binary, exponent: 0 };
  const decimal = decimalExponents[suffix];
  if (decimal !== undefined) return { format: 'DecimalSI', numerator: 1n, exponent: decimal };
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix);
  const power = exponent ? Number(exponent[1]) : Number.NaN;
  if (!(Math.abs(power) <= exponentMax)) throw new QuantityError(badSuffix);
  return { format: 'DecimalExponent', numerator: 1n, exponent: power };
}

/** `digits` (not negative) times a power of ten, rounded up. */
function scaleUp(digits: bigint, power: number): bigint {
  return power >= 0 ? digits * 10n ** BigInt(power) : divideUp(digits, 10n ** BigInt(-power));
}

/** Division that rounds away from zero. */
function divideUp(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (quotient * by === value) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/** Like {@link parseQuantity}; undefined instead of an error. */
export function tryParseQuantity(input: unknown): Quantity | undefined {
  if (typeof input !== 'string' && typeof input !== 'number') return undefined;
  try {
    return parseQuantity(input);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** The canonical text: no fraction, the largest suffix that leaves a whole number. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos, format } = quantity;
  if (nanos === 0n) return '0';
  const magnitude = nanos < 0n ? -nanos : nanos;
  if (format === 'BinarySI' && magnitude >= 1024n * nanosPerUnit) {
    let value = divideUp(nanos, nanosPerUnit);
    let index = 0;
    while (index < binarySuffixes.length - 1 && value % 1024n === 0n) {
      value /= 1024n;
      index++;
    }
    return `${value}${binarySuffixes[index]}`;
  }
  let value = nanos;
  let index = 0;
  // DecimalExponent knows no largest suffix; the limit only bounds the loop.
  const last = format === 'DecimalExponent' ? exponentMax : decimalSuffixes.length - 1;
  while (index < last && value % 1000n === 0n) {
    value /= 1000n;
    index++;
  }
  if (format !== 'DecimalExponent') return `${value}${decimalSuffixes[index]}`;
  const exponent = index * 3 - 9;
  return exponent === 0 ? `${value}` : `${value}e${exponent}`;
}

/** The sum, written in the format of the first unless that is zero. */
export function addQuantities(left: Quantity, right: Quantity): Quantity {
  return { nanos: left.nanos + right.nanos, format: left.nanos === 0n ? right.format : left.format };
}

export function subtractQuantities(left: Quantity, right: Quantity): Quantity {
  return { nanos: left.nanos - right.nanos, format: left.nanos === 0n ? right.format : left.format };
}

export function compareQuantities(left: Quantity, right: Quantity): -1 | 0 | 1 {
  if (left.nanos === right.nanos) return 0;
  return left.nanos < right.nanos ? -1 : 1;
}

/** In whole units, rounded up; exact up to 2⁵³. */
export function quantityValue(quantity: Quantity): number {
  return Number(divideUp(quantity.nanos, nanosPerUnit));
}

/** In thousandths, rounded up. */
function quantityMilliValue(quantity: Quantity): number {
  return Number(divideUp(quantity.nanos, 1_000_000n));
}

export function quantityFromMilli(milli: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(Math.trunc(milli)) * 1_000_000n, format };
}

export function quantityFromValue(value: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nanos: BigInt(Math.trunc(value)) * nanosPerUnit, format };
}

/** The same few texts recur; the caches are emptied when they grow past this. */
const cacheEntriesMax = 10_000;
const quantityCache = new Map<string, Quantity>();
const valueCache = new Map<string, number>();
const milliCache = new Map<string, number>();

/** {@link quantityValue} of a text; cached. @throws {QuantityError} */
export function wholeValueOf(text: string | number): number {
  return cached(valueCache, String(text), (known) => quantityValue(parseQuantity(known)));
}

/** {@link quantityMilliValue} of a text; cached. @throws {QuantityError} */
export function milliValueOf(text: string | number): number {
  return cached(milliCache, String(text), (known) => quantityMilliValue(parseQuantity(known)));
}

function cached<Value>(cache: Map<string, Value>, text: string, compute: (text: string) => Value): Value {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const value = compute(text);
  if (cache.size >= cacheEntriesMax) cache.clear();
  cache.set(text, value);
  return value;
}

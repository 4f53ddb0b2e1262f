/**
 * The form in which Go holds a quantity when it can: an integer of 64 bits and a power of ten. Only quantities of this
 * form are integers to expressions, and only if the power is not negative: `1.5Gi`, `2000m` and `1.0` are none.
 */
import { binaryExponents, decimalExponents } from '../../quantities/quantity.ts';
import { isInt64 } from '../go-values.ts';

export interface ScaledInteger {
  value: bigint;
  scale: number;
}

const digitsMax = 18;
const scaleMin = -9;

/** Of a text that is a quantity; undefined for one that Go holds as a decimal of any length. */
export function scaledIntegerOf(text: string): ScaledInteger | undefined {
  const [, sign, digits = '', fraction = '', suffix = ''] =
    /^([+-]?)0*(\d*)(?:\.(\d*))?(.*)$/.exec(text) ?? [];
  const whole = digits || '0';
  const binary = binaryExponents[suffix];
  const power = decimalExponents[suffix] ?? Number(suffix.slice(1));
  const scale = binary === undefined ? power - fraction.length : 0;
  if (binary === undefined && (whole.length + fraction.length > digitsMax || scale < scaleMin))
    return undefined;
  // About the digits that the suffix stands for.
  if (binary !== undefined && (fraction !== '' || 14 - whole.length - Math.trunc(Number(binary) * 0.3) < 0))
    return undefined;
  const size = BigInt(whole + fraction) * 2n ** (binary ?? 0n);
  return isInt64(size) ? { value: sign === '-' ? -size : size, scale } : undefined;
}

/** Undefined when the sum has no such form. */
export function sumOf(left: ScaledInteger, right: ScaledInteger): ScaledInteger | undefined {
  if (right.value === 0n) return left;
  if (left.value === 0n) return right;
  const scale = Math.min(left.scale, right.scale);
  const [a, b] = [scaledTo(left, scale), scaledTo(right, scale)];
  if (a === undefined || b === undefined || !isInt64(a + b)) return undefined;
  return { value: a + b, scale };
}

/** Undefined for what is no integer of 64 bits. */
export function wholeOf(amount: ScaledInteger): bigint | undefined {
  return amount.scale < 0 ? undefined : scaledTo(amount, 0);
}

function scaledTo({ value, scale }: ScaledInteger, target: number): bigint | undefined {
  const scaled = value * 10n ** BigInt(scale - target);
  return isInt64(scaled) ? scaled : undefined;
}

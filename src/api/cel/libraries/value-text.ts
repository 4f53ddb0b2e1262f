/** Values of expressions as text, as Go writes them. */
import { Optional } from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';

/** In seconds, with as many digits as it has: `5400s`, `-1.5s`. */
export function durationText(duration: Duration): string {
  const nanos = duration.seconds * 1_000_000_000n + BigInt(duration.nanos);
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = String(size % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const whole = `${nanos < 0n ? '-' : ''}${size / 1_000_000_000n}`;
  return fraction === '' ? `${whole}s` : `${whole}.${fraction}s`;
}

/** Without the zeros that a fraction of a second ends with. */
export function timestampText(date: Date): string {
  return date.toISOString().replace(/\.?0+Z$/, 'Z');
}

/** The shortest that is read as the same number: with a power of ten from a million on, and below a ten-thousandth. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [digits = '', power = ''] = value.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'bool',
  bigint: 'int',
  number: 'double',
};

/** Of the classes that hold Kubernetes' own values. */
const ownTypes: Readonly<Record<string, string>> = {
  Amount: 'kubernetes.Quantity',
  Cidr: 'net.CIDR',
  Format: 'kubernetes.NamedFormat',
  Ip: 'net.IP',
  Semver: 'kubernetes.Semver',
  Url: 'kubernetes.URL',
};

/** The name of a value's type in expressions. */
export function typeNameOf(value: unknown): string {
  if (value === null) return 'null_type';
  if (typeof value !== 'object') return typeNames[typeof value] ?? typeof value;
  if (Array.isArray(value)) return 'list';
  if (value instanceof Date) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof UnsignedInt) return 'uint';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Optional) return 'optional_type';
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Map || prototype === Object.prototype || prototype === null) return 'map';
  if (namedBy(value) !== undefined) return 'type';
  return ownTypes[value.constructor.name] ?? value.constructor.name;
}

/** The name of the type that this value is; undefined when it is none. The library does not export its class of types. */
export function namedBy(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !(Symbol.toStringTag in value)) return undefined;
  const [, name] = /^Type<(.*)>$/.exec(String(value[Symbol.toStringTag])) ?? [];
  return name === 'null' ? 'null_type' : name;
}

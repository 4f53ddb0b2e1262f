/** Conversions between types as Go has them, in place of the library's, which are JavaScript's. */
import type { Environment } from '@marcbachmann/cel-js';
import { type Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import {
  boolOf,
  doubleOf,
  durationOf,
  durationOfNanos,
  intOf,
  isInt64,
  timestampOf,
  timestampOfSeconds,
  uintOf,
} from '../go-values.ts';
import { replacementOf } from '../replaced-methods.ts';
import { durationText, floatText, timestampText } from './value-text.ts';

const duration = 'google.protobuf.Duration';
const timestamp = 'google.protobuf.Timestamp';

export function registerConversions(environment: Environment): void {
  const register = (name: string, from: string, convert: (value: never) => unknown, to = name) =>
    environment.registerFunction(`${replacementOf(name)}(${from}): ${to}`, convert as () => unknown);
  for (const type of ['bool', 'int', 'uint', 'double', 'string']) register(type, type, (same) => same);
  register('bool', 'string', (text: string) => boolOf(text) ?? refused('bool'));
  registerNumbers(register);
  for (const type of ['bool', 'int', 'uint']) register('string', type, (value) => `${value}`);
  register('string', 'double', floatText);
  register('string', 'bytes', utf8);
  register('string', duration, durationText);
  register('string', timestamp, timestampText);
  register('duration', duration, (same) => same, duration);
  register('duration', 'int', durationOfNanos, duration);
  register('duration', 'string', (text: string) => durationOf(text) ?? refused(duration), duration);
  register('timestamp', timestamp, (same) => same, timestamp);
  register('timestamp', 'int', (seconds: bigint) => timely(timestampOfSeconds(seconds)), timestamp);
  register(
    'timestamp',
    'string',
    (text: string) => timely(timestampOf(text) ?? refused(timestamp)),
    timestamp,
  );
}

function registerNumbers(
  register: (name: string, from: string, convert: (value: never) => unknown) => unknown,
): void {
  register('int', 'uint', ({ value }: UnsignedInt) => (isInt64(value) ? value : overflow('integer')));
  // Go compares with the limits as doubles, and takes neither.
  register('int', 'double', (value: number) =>
    value > -(2 ** 63) && value < 2 ** 63 ? BigInt(Math.trunc(value)) : overflow('integer'),
  );
  register('int', 'string', (text: string) => intOf(text) ?? refused('int'));
  register('int', duration, ({ seconds, nanos }: Duration) => seconds * 1_000_000_000n + BigInt(nanos));
  register('int', timestamp, (date: Date) => BigInt(Math.floor(date.getTime() / 1000)));
  register('uint', 'int', (value: bigint) =>
    value < 0n ? overflow('unsigned integer') : new UnsignedInt(value),
  );
  register('uint', 'double', (value: number) =>
    value >= 0 && value < 2 ** 64 ? new UnsignedInt(BigInt(Math.trunc(value))) : overflow('unsigned integer'),
  );
  register('uint', 'string', (text: string) => new UnsignedInt(uintOf(text) ?? refused('uint')));
  for (const type of ['int', 'uint'])
    register('double', type, (value: bigint | UnsignedInt) => Number(value));
  register('double', 'string', (text: string) => doubleOf(text) ?? refused('double'));
}

function refused(type: string): never {
  throw new Error(`type conversion error from 'string' to '${type}'`);
}

function overflow(kind: string): never {
  throw new Error(`${kind} overflow`);
}

function timely(date: Date | 'overflow'): Date {
  return date === 'overflow' ? overflow('timestamp') : date;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Error('invalid UTF-8 in bytes, cannot convert to string', { cause });
  }
}

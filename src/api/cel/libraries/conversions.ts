/** Conversions of times to texts and numbers, which the library does not know. */
import type { Environment } from '@marcbachmann/cel-js';
import type { Duration } from '@marcbachmann/cel-js/evaluator';
import { durationText, timestampText } from './value-text.ts';

const duration = 'google.protobuf.Duration';
const timestamp = 'google.protobuf.Timestamp';

export function registerConversions(environment: Environment): void {
  environment
    .registerFunction(`string(${duration}): string`, durationText)
    .registerFunction(`string(${timestamp}): string`, timestampText)
    .registerFunction(
      `int(${duration}): int`,
      ({ seconds, nanos }: Duration) => seconds * 1_000_000_000n + BigInt(nanos),
    )
    .registerFunction(`int(${timestamp}): int`, (date: Date) => BigInt(Math.floor(date.getTime() / 1000)))
    .registerFunction(`duration(${duration}): ${duration}`, (same: Duration) => same)
    .registerFunction(`timestamp(${timestamp}): ${timestamp}`, (same: Date) => same);
}

/** Kubernetes' functions on semantic versions. */
import type { Environment } from '@marcbachmann/cel-js';
import { semverPattern } from '../../validation/semver.ts';

class Semver {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly prerelease: readonly string[];

  constructor(text: string) {
    const match = semverPattern.exec(text);
    if (!match) throw new Error(`Invalid semantic version: ${JSON.stringify(text)}`);
    this.numbers = [BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)];
    this.prerelease = match[4]?.split('.') ?? [];
  }
}

/** The result of `semver(text)`, for variables that hold versions. @throws Error when it is invalid */
export function celSemver(text: string): unknown {
  return new Semver(text);
}

/** `v1.2` is `1.2.0`, `01.2.3` is `1.2.3`. */
function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([\d.]*)(.*)$/s.exec(text)!;
  const parts = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  while (parts.length < 3) parts.push('0');
  return parts.join('.') + rest;
}

function parse(text: string): Semver {
  return new Semver(text);
}

function isSemver(text: string): boolean {
  return semverPattern.test(text);
}

/** By precedence; what is behind the `+` does not count. */
function compare(left: Semver, right: Semver): number {
  for (const [index, number] of left.numbers.entries()) {
    const other = right.numbers[index]!;
    if (number !== other) return number < other ? -1 : 1;
  }
  const [a, b] = [left.prerelease, right.prerelease];
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length);
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = comparePart(a[index]!, b[index]!);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

/** Numbers by value, before words; words alphabetically. */
function comparePart(a: string, b: string): number {
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumberA && isNumberB) return a.length - b.length || (a < b ? -1 : Number(a > b));
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  return a < b ? -1 : Number(a > b);
}

export function registerSemver(environment: Environment): void {
  const name = 'kubernetes.Semver';
  environment
    .registerType(name, Semver)
    .registerFunction(`semver(string): ${name}`, parse)
    .registerFunction(`semver(string, bool): ${name}`, (text: string, normalizes: boolean) =>
      parse(normalizes ? normalized(text) : text),
    )
    .registerFunction('isSemver(string): bool', isSemver)
    .registerFunction('isSemver(string, bool): bool', (text: string, normalizes: boolean) =>
      isSemver(normalizes ? normalized(text) : text),
    )
    .registerFunction(`${name}.major(): int`, ({ numbers }: Semver) => numbers[0])
    .registerFunction(`${name}.minor(): int`, ({ numbers }: Semver) => numbers[1])
    .registerFunction(`${name}.patch(): int`, ({ numbers }: Semver) => numbers[2])
    .registerFunction(`${name}.compareTo(${name}): int`, (left: Semver, right: Semver) =>
      BigInt(Math.sign(compare(left, right))),
    )
    .registerFunction(
      `${name}.isGreaterThan(${name}): bool`,
      (left: Semver, right: Semver) => compare(left, right) > 0,
    )
    .registerFunction(
      `${name}.isLessThan(${name}): bool`,
      (left: Semver, right: Semver) => compare(left, right) < 0,
    );
}

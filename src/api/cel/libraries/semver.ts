/** Kubernetes' functions on semantic versions. */
import type { Environment } from '@marcbachmann/cel-js';
import { compareSemvers, isSemver, Semver } from '../../validation/semver.ts';

/** The result of `semver(text)`, for variables that hold versions. @throws Error when it is invalid */
export function celSemver(text: string): unknown {
  return new Semver(text);
}

/** `v1.2` is `1.2.0`, `01.2.3` is `1.2.3`; what is not valid stays so: a short version has nothing behind its numbers. */
function normalized(text: string): string {
  const [, core = '', rest = ''] = /^v?([\d.]*)(.*)$/s.exec(text)!;
  const parts = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  while (rest === '' && parts.length < 3) parts.push('0');
  return parts.join('.') + rest;
}

function parse(text: string): Semver {
  return new Semver(text);
}

export function registerSemver(environment: Environment): void {
  const name = 'kubernetes.Semver';
  environment
    .registerType(name, Semver)
    .registerFunction(`semver(string): ${name}`, parse)
    .registerFunction(`semver(string, bool): ${name}`, (text: string, normalizes: boolean) =>
      parse(normalizes ? normalized(text) : text),
    )
    .registerOperator(
      `${name} == ${name}`,
      (left: Semver, right: Semver) => compareSemvers(left, right) === 0,
    )
    .registerFunction('isSemver(string): bool', isSemver)
    .registerFunction('isSemver(string, bool): bool', (text: string, normalizes: boolean) =>
      isSemver(normalizes ? normalized(text) : text),
    )
    .registerFunction(`${name}.major(): int`, ({ numbers }: Semver) => numbers[0])
    .registerFunction(`${name}.minor(): int`, ({ numbers }: Semver) => numbers[1])
    .registerFunction(`${name}.patch(): int`, ({ numbers }: Semver) => numbers[2])
    .registerFunction(`${name}.compareTo(${name}): int`, (left: Semver, right: Semver) =>
      BigInt(Math.sign(compareSemvers(left, right))),
    )
    .registerFunction(
      `${name}.isGreaterThan(${name}): bool`,
      (left: Semver, right: Semver) => compareSemvers(left, right) > 0,
    )
    .registerFunction(
      `${name}.isLessThan(${name}): bool`,
      (left: Semver, right: Semver) => compareSemvers(left, right) < 0,
    );
}

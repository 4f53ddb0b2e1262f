/** Kubernetes' functions on quantities. */
import type { Environment } from '@marcbachmann/cel-js';
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  subtractQuantities,
  tryParseQuantity,
} from '../../quantities/quantity.ts';
import { type ScaledInteger, scaledIntegerOf, sumOf, wholeOf } from './scaled-integer.ts';

/** CEL distinguishes values by their class. */
class Amount {
  readonly quantity: Quantity;
  readonly small: ScaledInteger | undefined;
  constructor(quantity: Quantity, small: ScaledInteger | undefined) {
    this.quantity = quantity;
    this.small = small;
  }
}

/** The result of `quantity(text)`, for variables that hold quantities. @throws Error when it is invalid */
export function celQuantity(text: string): Amount {
  return new Amount(parseQuantity(text), scaledIntegerOf(text));
}

const nanosPerUnit = 1_000_000_000n;

export function registerQuantities(environment: Environment): void {
  const name = 'kubernetes.Quantity';
  environment
    .registerType(name, Amount)
    .registerFunction(`quantity(string): ${name}`, celQuantity)
    .registerOperator(`${name} == ${name}`, (left: Amount, right: Amount) => compare(left, right) === 0)
    .registerFunction('isQuantity(string): bool', (text: string) => tryParseQuantity(text) !== undefined)
    .registerFunction(
      `${name}.isGreaterThan(${name}): bool`,
      (left: Amount, right: Amount) => compare(left, right) > 0,
    )
    .registerFunction(
      `${name}.isLessThan(${name}): bool`,
      (left: Amount, right: Amount) => compare(left, right) < 0,
    )
    .registerFunction(`${name}.compareTo(${name}): int`, (left: Amount, right: Amount) =>
      BigInt(compare(left, right)),
    )
    .registerFunction(`sign(${name}): int`, ({ quantity }: Amount) => BigInt(sign(quantity.nanos)))
    .registerFunction(`${name}.isInteger(): bool`, (amount: Amount) => integerOf(amount) !== undefined)
    .registerFunction(`${name}.asInteger(): int`, asInteger)
    .registerFunction(`${name}.asApproximateFloat(): double`, approximate)
    .registerFunction(`${name}.add(${name}): ${name}`, add)
    .registerFunction(`${name}.sub(${name}): ${name}`, subtract)
    .registerFunction(`${name}.add(int): ${name}`, (left: Amount, units: bigint) => add(left, ofUnits(units)))
    .registerFunction(`${name}.sub(int): ${name}`, (left: Amount, units: bigint) =>
      subtract(left, ofUnits(units)),
    );
}

function compare(left: Amount, right: Amount): number {
  return compareQuantities(left.quantity, right.quantity);
}

function sign(nanos: bigint): number {
  if (nanos === 0n) return 0;
  return nanos > 0n ? 1 : -1;
}

function integerOf({ small }: Amount): bigint | undefined {
  return small && wholeOf(small);
}

function asInteger(amount: Amount): bigint {
  const units = integerOf(amount);
  if (units === undefined) throw new Error('cannot convert value to integer');
  return units;
}

/** By the same multiplication as Go, which is not exact. */
function approximate({ quantity, small }: Amount): number {
  if (!small) return Number(quantity.nanos) * 1e-9;
  return small.scale === 0 ? Number(small.value) : Number(small.value) * Number(`1e${small.scale}`);
}

function ofUnits(units: bigint): Amount {
  return new Amount({ nanos: units * nanosPerUnit, format: 'DecimalExponent' }, { value: units, scale: 0 });
}

function add(left: Amount, right: Amount): Amount {
  const small = left.small && right.small && sumOf(left.small, right.small);
  return new Amount(addQuantities(left.quantity, right.quantity), small);
}

function subtract(left: Amount, right: Amount): Amount {
  const negated = right.small && { ...right.small, value: -right.small.value };
  const small = left.small && negated && sumOf(left.small, negated);
  return new Amount(subtractQuantities(left.quantity, right.quantity), small);
}

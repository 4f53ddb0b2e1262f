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

/** CEL distinguishes values by their class. */
class Amount {
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }
}

/** The result of `quantity(text)`, for variables that hold quantities. @throws Error when it is invalid */
export function celQuantity(text: string): unknown {
  return new Amount(parseQuantity(text));
}

const nanosPerUnit = 1_000_000_000n;

export function registerQuantities(environment: Environment): void {
  const name = 'kubernetes.Quantity';
  environment
    .registerType(name, Amount)
    .registerFunction(`quantity(string): ${name}`, (text: string) => new Amount(parseQuantity(text)))
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
    .registerFunction(`${name}.sign(): int`, ({ quantity }: Amount) => BigInt(sign(quantity.nanos)))
    .registerFunction(
      `${name}.isInteger(): bool`,
      ({ quantity }: Amount) => integerOf(quantity) !== undefined,
    )
    .registerFunction(`${name}.asInteger(): int`, ({ quantity }: Amount) => asInteger(quantity))
    .registerFunction(
      `${name}.asApproximateFloat(): double`,
      ({ quantity }: Amount) => Number(quantity.nanos) / Number(nanosPerUnit),
    )
    .registerFunction(
      `${name}.add(${name}): ${name}`,
      (left: Amount, right: Amount) => new Amount(addQuantities(left.quantity, right.quantity)),
    )
    .registerFunction(
      `${name}.sub(${name}): ${name}`,
      (left: Amount, right: Amount) => new Amount(subtractQuantities(left.quantity, right.quantity)),
    )
    .registerFunction(`${name}.add(int): ${name}`, (left: Amount, right: bigint) => shifted(left, right))
    .registerFunction(`${name}.sub(int): ${name}`, (left: Amount, right: bigint) => shifted(left, -right));
}

function compare(left: Amount, right: Amount): number {
  return compareQuantities(left.quantity, right.quantity);
}

function sign(nanos: bigint): number {
  if (nanos === 0n) return 0;
  return nanos > 0n ? 1 : -1;
}

/** Undefined for what is no whole number of 64 bits. */
function integerOf({ nanos }: Quantity): bigint | undefined {
  const units = nanos / nanosPerUnit;
  return nanos % nanosPerUnit === 0n && units === BigInt.asIntN(64, units) ? units : undefined;
}

function asInteger(quantity: Quantity): bigint {
  const units = integerOf(quantity);
  if (units === undefined) throw new Error('cannot convert value to integer');
  return units;
}

function shifted({ quantity }: Amount, units: bigint): Amount {
  return new Amount({ nanos: quantity.nanos + units * nanosPerUnit, format: quantity.format });
}

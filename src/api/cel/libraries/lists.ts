/** Kubernetes' list functions: isSorted, sum, min, max, indexOf, lastIndexOf, and the sets extension. */
import type { Environment } from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { budgetSpent, spendItems } from '../budget.ts';
import { replacementOf } from '../replaced-methods.ts';
import { compareValues, equalValues } from './comparison.ts';

type List = readonly unknown[];

/** The namespace `sets`: the library knows methods only, so its functions are methods of a constant. */
class Sets {}

/** The namespace `lists`, likewise. */
class Lists {}

/** `optional`: makes the library's optional value. */
export function registerLists(environment: Environment, optional: (value: unknown) => unknown): void {
  environment
    .registerType('kubernetes.Sets', Sets)
    .registerConstant('sets', 'kubernetes.Sets', new Sets())
    .registerFunction('list.isSorted(): bool', (list: List) => isSorted(list))
    .registerFunction('list.sum(): dyn', (list: List) => sum(list))
    .registerFunction('list.min(): dyn', (list: List) => extreme(list, 'min', -1))
    .registerFunction('list.max(): dyn', (list: List) => extreme(list, 'max', 1))
    .registerFunction(`list.${replacementOf('indexOf')}(dyn): int`, (list: List, item: unknown) =>
      BigInt(spent(list).findIndex((candidate) => equalValues(candidate, item))),
    )
    .registerFunction(`list.${replacementOf('lastIndexOf')}(dyn): int`, (list: List, item: unknown) =>
      BigInt(spent(list).findLastIndex((candidate) => equalValues(candidate, item))),
    )
    .registerFunction('list.slice(int, int): list', slice)
    .registerFunction('list.flatten(): list', (list: List) => flatten(list, 1n))
    .registerFunction('list.flatten(int): list', (list: List, depth: bigint) => flatten(list, depth))
    .registerFunction('list.sort(): list', (list: List) => [...spent(list)].sort(compareValues))
    .registerFunction('list.distinct(): list', distinct)
    .registerFunction('list.reverse(): list', (list: List) => [...spent(list)].reverse())
    .registerFunction('list.first(): dyn', (list: List) => optional(list[0]))
    .registerFunction('list.last(): dyn', (list: List) => optional(list.at(-1)))
    .registerType('kubernetes.Lists', Lists)
    .registerConstant('lists', 'kubernetes.Lists', new Lists())
    .registerFunction('kubernetes.Lists.range(int): list', (_: Lists, count: bigint) => range(count))
    .registerFunction('kubernetes.Sets.contains(list, list): bool', (_: Sets, whole: List, part: List) =>
      containsAll(whole, part),
    )
    .registerFunction(
      'kubernetes.Sets.equivalent(list, list): bool',
      (_: Sets, left: List, right: List) => containsAll(left, right) && containsAll(right, left),
    )
    .registerFunction('kubernetes.Sets.intersects(list, list): bool', (_: Sets, left: List, right: List) => {
      spendItems(left.length * right.length);
      return left.some((item) => includesValue(right, item));
    });
}

/** The list, all of whose items are visited. */
function spent(list: List): List {
  spendItems(list.length);
  return list;
}

function isSorted(list: List): boolean {
  return spent(list).every((item, index) => index === 0 || compareValues(list[index - 1], item) <= 0);
}

/** Zero for an empty list: the type of its items is not known, and an int adds to nothing. */
function sum(list: List): unknown {
  if (list.length === 0) return 0n;
  return spent(list).reduce((total, item) => {
    if (typeof total === 'bigint' && typeof item === 'bigint') return checkedInt(total + item);
    if (total instanceof UnsignedInt && item instanceof UnsignedInt)
      return new UnsignedInt(total.value + item.value);
    if (typeof total === 'number' && typeof item === 'number') return total + item;
    if (total instanceof Duration && item instanceof Duration) {
      return total.addDuration(item);
    }
    throw new Error('no such overload: sum of a list of mixed types');
  });
}

function checkedInt(value: bigint): bigint {
  if (value !== BigInt.asIntN(64, value)) throw new Error('integer overflow');
  return value;
}

function extreme(list: List, name: string, sign: 1 | -1): unknown {
  if (list.length === 0) throw new Error(`${name} called on empty list`);
  return spent(list).reduce((best, item) => (compareValues(item, best) * sign > 0 ? item : best));
}

function containsAll(whole: List, part: List): boolean {
  spendItems(whole.length * part.length);
  return part.every((item) => includesValue(whole, item));
}

function includesValue(list: List, item: unknown): boolean {
  return list.some((candidate) => equalValues(candidate, item));
}

function slice(list: List, start: bigint, end: bigint): List {
  const size = BigInt(list.length);
  if (start < 0n || end < 0n)
    throw new Error(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end)
    throw new Error(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (end > size) throw new Error(`cannot slice(${start}, ${end}), list is length ${size}`);
  spendItems(Number(end - start));
  return list.slice(Number(start), Number(end));
}

function flatten(list: List, depth: bigint): List {
  if (depth < 0n) throw new Error('level must be non-negative');
  const flat = list.flat(Number(depth) as 1);
  spendItems(list.length + flat.length);
  return flat;
}

function distinct(list: List): List {
  checkPairs(list.length);
  spendItems(list.length * list.length);
  return list.filter((item, index) => list.findIndex((other) => equalValues(item, other)) === index);
}

/** Longest list that expressions may make out of nothing. */
const rangeMax = 1_000_000n;

function range(count: bigint): List {
  if (count > rangeMax) throw new Error(budgetSpent);
  spendItems(Math.max(0, Number(count)));
  return Array.from({ length: Math.max(0, Number(count)) }, (_, index) => BigInt(index));
}

/** Items that are each compared with all others. */
const pairsMax = 1_000_000;

function checkPairs(length: number): void {
  if (length * length > pairsMax) throw new Error(budgetSpent);
}

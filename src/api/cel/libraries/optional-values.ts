/**
 * What Kubernetes' expressions can do with optional values beyond the library: `optMap`, `optFlatMap`,
 * `optional.ofNonZeroValue`, `optional.unwrap`, and comparing two of them.
 */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { Duration, UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { spendItems } from '../budget.ts';
import { equalOptionals } from './comparison.ts';
import { type Checker, type Context, type Evaluator, type Node, nameOf } from './macros.ts';

interface Macro {
  receiver: Node;
  name: Node | string;
  body: Node;
  inner?: Context;
}

/** `optional`: makes the library's optional value. */
export function registerOptionalValues(
  environment: Environment,
  optional: (value: unknown) => unknown,
): void {
  const some = (value: unknown) => optional(value) as Optional;
  environment
    .registerFunction('optional.optMap(ast, ast): optional<dyn>', mapping('optMap', some) as never)
    .registerFunction(
      'optional.optFlatMap(ast, ast): optional<dyn>',
      mapping('optFlatMap', (value) => expected(value, 'the result of optFlatMap')) as never,
    )
    .registerFunction('OptionalNamespace.ofNonZeroValue(dyn): optional<dyn>', (_: unknown, value: unknown) =>
      optional(isZero(value) ? undefined : value),
    )
    .registerFunction('OptionalNamespace.unwrap(list): list', (_: unknown, list: readonly unknown[]) =>
      unwrapped(list),
    )
    .registerFunction('list.unwrapOpt(): list', unwrapped)
    .registerOperator('optional == optional', equalOptionals);
}

/** The values that are there. */
function unwrapped(list: readonly unknown[]): unknown[] {
  spendItems(list.length);
  return list.flatMap((item) => {
    const held = expected(item, 'an item of the list');
    return held.hasValue() ? [held.value()] : [];
  });
}

/** A macro that evaluates its body with the value that is there; `wrap` makes the result of it. */
function mapping(macroName: string, wrap: (value: unknown) => Optional) {
  return ({ args, receiver }: { args: Node[]; receiver: Node }) => ({
    receiver,
    name: args[0],
    body: args[1]!,
    typeCheck(checker: Checker, macro: Macro, context: Context) {
      macro.name = nameOf(macro.name, macroName, checker);
      checker.check(macro.receiver, context);
      macro.inner = context.forkWithVariable(macro.name, checker.getType('dyn'));
      checker.check(macro.body, macro.inner);
      return checker.getType('optional');
    },
    evaluate(evaluator: Evaluator, macro: Macro, context: Context) {
      const held = expected(evaluator.run(macro.receiver, context), `the receiver of ${macroName}`);
      if (!held.hasValue()) return held;
      return wrap(
        evaluator.run(macro.body, macro.inner!.reuse(context).setIterValue(held.value(), evaluator)),
      );
    },
  });
}

function expected(value: unknown, place: string): Optional {
  if (value instanceof Optional) return value;
  throw new Error(`no such overload: ${place} is no optional value`);
}

/** As CEL sees it: what a value of its type is when nothing was set. */
function isZero(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value !== 'object') return !value;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  if (value instanceof Duration || value instanceof UnsignedInt) return Number(value.valueOf()) === 0;
  return Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0;
}

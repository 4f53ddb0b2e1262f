/** `list.sortBy(item, key)`: the items in the order of what the key is for each of them. The library has no such macro. */
import type { Environment } from '@marcbachmann/cel-js';
import { spendItems } from '../budget.ts';
import { compareValues } from './comparison.ts';
import { type Checker, type Context, type Evaluator, type Node, nameOf } from './macros.ts';

interface Macro {
  receiver: Node;
  name: Node | string;
  key: Node;
  inner?: Context;
}

export function registerSortBy(environment: Environment): void {
  const expand = ({ args, receiver }: { args: Node[]; receiver: Node }) => ({
    receiver,
    name: args[0],
    key: args[1]!,
    typeCheck(checker: Checker, macro: Macro, context: Context) {
      macro.name = nameOf(macro.name, 'sortBy', checker);
      checker.check(macro.receiver, context);
      macro.inner = context.forkWithVariable(macro.name, checker.getType('dyn'));
      checker.check(macro.key, macro.inner);
      return checker.getType('list');
    },
    evaluate(evaluator: Evaluator, macro: Macro, context: Context) {
      const list = evaluator.run(macro.receiver, context);
      if (!Array.isArray(list)) throw new Error('no such overload: sortBy is for lists');
      spendItems(list.length);
      const keyed = list.map((item: unknown) => {
        const inner = macro.inner!.reuse(context).setIterValue(item, evaluator);
        return { item, key: evaluator.run(macro.key, inner) };
      });
      return keyed.sort((left, right) => compareValues(left.key, right.key)).map(({ item }) => item);
    },
  });
  environment.registerFunction('list.sortBy(ast, ast): list', expand as never);
}

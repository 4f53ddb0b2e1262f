/**
 * Comprehensions over index and value, or key and value: `list.all(i, v, …)`, `exists`, `existsOne` or `exists_one`,
 * `transformList`, `transformMap`, `transformMapEntry`. The library has only those with one variable.
 */
import type { Environment } from '@marcbachmann/cel-js';
import { checkBudget } from '../budget.ts';
import { type Checker, type Context, type Evaluator, type Node, nameOf } from './macros.ts';

type Entry = readonly [key: unknown, value: unknown];

/**
 * The result of a macro over the entries; `test` and `give` evaluate the filter and the last argument for one of them.
 */
type Work = (
  entries: Entry[],
  given: { test(entry: Entry): boolean; give(entry: Entry): unknown },
) => unknown;

interface Macro {
  receiver: Node;
  names: [string, string];
  filter: Node | undefined;
  body: Node;
  inner?: Context;
  outer?: Context;
}

export function registerTwoVariables(environment: Environment): void {
  const define = (name: string, returns: string, work: Work, { hasFilter } = { hasFilter: false }) => {
    const parameters = hasFilter ? 'ast, ast, ast, ast' : 'ast, ast, ast';
    const expand = expander(name, returns, work, { hasFilter });
    environment.registerFunction(`list.${name}(${parameters}): ${returns}`, expand as never);
  };
  define('all', 'bool', (entries, { give }) => !decide(entries, (entry) => give(entry) === false));
  define('exists', 'bool', (entries, { give }) => decide(entries, (entry) => give(entry) === true));
  for (const name of ['existsOne', 'exists_one'])
    define(name, 'bool', (entries, { give }) => entries.filter((entry) => give(entry) === true).length === 1);
  for (const hasFilter of [false, true]) {
    define('transformList', 'dyn', (entries, { test, give }) => entries.filter(test).map(give), {
      hasFilter,
    });
    define(
      'transformMap',
      'dyn',
      (entries, { test, give }) =>
        new Map(entries.filter(test).map((entry) => [entry[0], give(entry)] as const)),
      { hasFilter },
    );
    define('transformMapEntry', 'dyn', (entries, { test, give }) => joined(entries.filter(test).map(give)), {
      hasFilter,
    });
  }
}

/** Whether it holds for one of them. A failure counts only when no other entry decides. */
function decide(entries: Entry[], holds: (entry: Entry) => boolean): boolean {
  let failure: { error: unknown } | undefined;
  for (const entry of entries) {
    try {
      if (holds(entry)) return true;
    } catch (error) {
      checkBudget();
      failure ??= { error };
    }
  }
  if (failure) throw failure.error;
  return false;
}

function joined(maps: unknown[]): Map<unknown, unknown> {
  const all = new Map<unknown, unknown>();
  for (const map of maps)
    for (const [key, value] of entriesOf(map)) {
      if (all.has(key)) throw new Error(`insert failed: key ${JSON.stringify(key)} already exists`);
      all.set(key, value);
    }
  return all;
}

function entriesOf(value: unknown): Entry[] {
  if (Array.isArray(value)) return value.map((item, index) => [BigInt(index), item]);
  if (value instanceof Map) return [...value];
  if (typeof value === 'object' && value !== null) return Object.entries(value);
  throw new Error('no such overload: a comprehension is over a list or a map');
}

function expander(name: string, returns: string, work: Work, { hasFilter }: { hasFilter: boolean }) {
  return ({ args, receiver }: { args: Node[]; receiver: Node }) => ({
    receiver,
    names: [args[0], args[1]],
    filter: hasFilter ? args[2] : undefined,
    body: args.at(-1)!,
    typeCheck(checker: Checker, macro: Macro & { names: unknown[] }, context: Context) {
      macro.names = (macro.names as Node[]).map((node) => nameOf(node, name, checker)) as [string, string];
      checker.check(macro.receiver, context);
      const dyn = checker.getType('dyn');
      macro.outer = context.forkWithVariable(macro.names[0], dyn);
      macro.inner = macro.outer.forkWithVariable(macro.names[1], dyn);
      if (macro.filter) checker.check(macro.filter, macro.inner);
      checker.check(macro.body, macro.inner);
      return checker.getType(returns);
    },
    evaluate(evaluator: Evaluator, macro: Macro, context: Context) {
      const run = (node: Node, [key, value]: Entry) => {
        const outer = macro.outer!.reuse(context).setIterValue(key, evaluator);
        return evaluator.run(node, macro.inner!.reuse(outer).setIterValue(value, evaluator));
      };
      return work(entriesOf(evaluator.run(macro.receiver, context)), {
        test: (entry) => !macro.filter || run(macro.filter, entry) === true,
        give: (entry) => run(macro.body, entry),
      });
    },
  });
}

/**
 * `has()` of a field behind an index or a call: `has(self.list[0].field)`. The library's own macro supports only fields
 * of fields and cannot be replaced, so such expressions are rewritten to use this one.
 */
import type { Environment } from '@marcbachmann/cel-js';

const presence = '__has__';

/** What the library says of an argument that its macro does not know. */
export const unknownArgument = 'has() invalid argument';

interface Node {
  op: string;
  args: [Node, string];
}

/** The part of the library's checker and evaluator that macros are given. */
interface Checker {
  check(node: Node, context: unknown): unknown;
  getType(name: string): unknown;
  createError(code: string, message: string, node: Node): Error;
}
interface Evaluator {
  run(node: Node, context: unknown): unknown;
  debugType(value: unknown): {
    fieldLazy(value: unknown, name: string, node: Node, evaluator: Evaluator): unknown;
  };
}
interface Macro {
  field: Node;
}

export function registerPresence(environment: Environment): void {
  const expand = ({ args }: { args: Node[] }) => ({
    field: args[0]!,
    typeCheck(checker: Checker, { field }: Macro, context: unknown) {
      if (field.op !== '.') throw checker.createError('invalid_macro_argument', unknownArgument, field);
      checker.check(field.args[0], context);
      return checker.getType('bool');
    },
    evaluate(evaluator: Evaluator, { field }: Macro, context: unknown) {
      const owner = evaluator.run(field.args[0], context);
      return evaluator.debugType(owner).fieldLazy(owner, field.args[1], field, evaluator) !== undefined;
    },
  });
  environment.registerFunction(`${presence}(ast): bool`, expand as never);
}

/** String literals, which are left alone, and the name of the macro. */
const literalOrHas =
  /([rR]?"""[\s\S]*?"""|[rR]?'''[\s\S]*?'''|[rR]?"(?:\\.|[^"\\])*"|[rR]?'(?:\\.|[^'\\])*')|(?<![\w.])has(?=\s*\()/g;

/** The expression with this macro instead of the library's. */
export function withPresence(source: string): string {
  return source.replaceAll(literalOrHas, (_, literal: string | undefined) => literal ?? presence);
}

export function isPresence(name: string): boolean {
  return name === 'has' || name === presence;
}

/** The parts of the library's checker and evaluator that macros with variables of their own are given. */

export interface Node {
  op: string;
  args: unknown;
}

/** What variables are bound in; the library's own class. */
export interface Context {
  forkWithVariable(name: string, type: unknown): Context;
  reuse(parent: Context): Context;
  setIterValue(value: unknown, evaluator: Evaluator): Context;
}

export interface Checker {
  check(node: Node, context: Context): unknown;
  getType(name: string): unknown;
  createError(code: string, message: string, node: Node): Error;
}

export interface Evaluator {
  run(node: Node, context: Context): unknown;
}

/** The name of a macro's variable. Checked before, it is that name already: an expression may be checked more than once. */
export function nameOf(node: Node | string, macro: string, checker: Checker): string {
  if (typeof node === 'string') return node;
  if (node.op === 'id') return node.args as string;
  throw checker.createError('invalid_macro_argument', `${macro}() takes the names of its variables`, node);
}

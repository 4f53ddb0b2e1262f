/**
 * Methods of texts as Go has them: on whole characters, letters of ASCII alone, regular expressions in linear time; and
 * Go's conversions between types. The library's own are JavaScript's, and cannot be replaced. So ours have other names,
 * and calls bear these while the library resolves them.
 */
import { type LibraryNode, nodesOf } from './library-tree.ts';

const replaced = new Set([
  ...['matches', 'indexOf', 'lastIndexOf', 'lowerAscii', 'upperAscii'],
  ...['split', 'substring', 'trim'],
]);
const conversions = new Set(['bool', 'int', 'uint', 'double', 'string', 'duration', 'timestamp']);

/** The method or conversion that replaces the one of this name; no expression can name it. */
export function replacementOf(method: string): string {
  return `__${method}__`;
}

/** A text of the library's, with the names that the expression has. */
export function withOwnNames(text: string): string {
  return text.replaceAll(/__([a-zA-Z]+)__/g, (found, name: string) =>
    replaced.has(name) || conversions.has(name) ? name : found,
  );
}

interface Call extends LibraryNode {
  args: [name: string, ...rest: unknown[]];
}

/** Makes `check` resolve to the other methods. Evaluation calls those; readers of the tree see the expression's names. */
export function withReplacements<T>(tree: unknown, check: () => T): T {
  const calls = [...nodesOf(tree)].filter(isReplaced);
  const names = calls.map(({ args }) => args[0]);
  for (const call of calls) call.args[0] = replacementOf(call.args[0]);
  try {
    return check();
  } finally {
    for (const [index, call] of calls.entries()) call.args[0] = names[index]!;
  }
}

function isReplaced(node: LibraryNode): node is Call {
  if (node.op === 'rcall') return replaced.has((node as Call).args[0]);
  return node.op === 'call' && conversions.has((node as Call).args[0]);
}

/**
 * `text.matches(pattern)` by Go's regular expressions, in linear time. The library's own method uses JavaScript's engine,
 * which some patterns keep busy forever, and cannot be replaced. So ours has another name, and calls bear that name while
 * the library resolves them.
 */
import { type LibraryNode, nodesOf } from './library-tree.ts';

/** The method that replaces `matches`; no expression can name it. */
export const linearMatches = '__matches__';

interface Call extends LibraryNode {
  args: [name: string, receiver: unknown, given: unknown[]];
}

/** Makes `check` resolve to the other method. Evaluation calls that one; readers of the tree see `matches`. */
export function withLinearMatches<T>(tree: unknown, check: () => T): T {
  const calls = [...nodesOf(tree)].filter(isMatchCall);
  for (const call of calls) call.args[0] = linearMatches;
  try {
    return check();
  } finally {
    for (const call of calls) call.args[0] = 'matches';
  }
}

function isMatchCall(node: LibraryNode): node is Call {
  return node.op === 'rcall' && (node as Call).args[0] === 'matches';
}

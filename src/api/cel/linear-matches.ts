/**
 * `text.matches(pattern)` by Go's regular expressions, in linear time. The library has a method of that name on JavaScript's
 * own, which some patterns keep busy forever, and refuses another: it is led to one of another name while it looks for it.
 */

/** The method that replaces `matches`; no expression can name it. */
export const linearMatches = '__matches__';

interface Call {
  args: [name: string, receiver: unknown, given: unknown[]];
}

/** Makes `check` resolve to the other method. Evaluation calls that one; readers of the tree see `matches`. */
export function withLinearMatches<T>(tree: unknown, check: () => T): T {
  const calls = [...matchCalls(tree)];
  for (const call of calls) call.args[0] = linearMatches;
  try {
    return check();
  } finally {
    for (const call of calls) call.args[0] = 'matches';
  }
}

function* matchCalls(tree: unknown): Generator<Call, void, undefined> {
  if (Array.isArray(tree)) {
    for (const item of tree) yield* matchCalls(item);
    return;
  }
  if (typeof tree !== 'object' || tree === null || !('op' in tree) || !('args' in tree)) return;
  if (tree.op === 'rcall' && (tree as Call).args[0] === 'matches') yield tree as Call;
  yield* matchCalls(tree.args);
}

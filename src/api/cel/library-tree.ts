/** The CEL library's syntax trees, as far as we look into them. */

export interface LibraryNode {
  op: string;
  args: unknown;
}

/** The node itself, and all within its arguments. */
export function* nodesOf(tree: unknown): Generator<LibraryNode, void, undefined> {
  if (Array.isArray(tree)) for (const item of tree) yield* nodesOf(item);
  else if (isNode(tree)) {
    yield tree;
    yield* nodesOf(tree.args);
  }
}

function isNode(value: unknown): value is LibraryNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

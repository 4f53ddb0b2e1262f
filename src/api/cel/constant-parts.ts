/**
 * Parts of an expression that never change, and that upstream evaluates when it is compiled: conversions of literals, and
 * patterns of `find`, `findAll` and `matches`.
 */
import { RE2JS, RE2JSSyntaxException } from 're2js';
import { type LibraryNode, nodesOf } from './library-tree.ts';

interface SourceNode extends LibraryNode {
  input: string;
  start: number;
  end: number;
}

const conversions = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'dyn',
  'int',
  'string',
  'timestamp',
  'type',
  'uint',
]);
const searches = new Set(['find', 'findAll', 'matches']);

/** The sources of conversions. */
export function* constantConversionsIn(tree: unknown): Generator<string> {
  for (const node of nodesOf(tree)) {
    const { input, start, end } = node as SourceNode;
    if (isConversion(node)) yield input.slice(start, end);
  }
}

function isConversion(node: LibraryNode): boolean {
  if (node.op !== 'call') return false;
  const [name, args] = node.args as [string, LibraryNode[]];
  return conversions.has(name) && args.length === 1 && isConstant(args[0]!);
}

function isConstant(node: LibraryNode): boolean {
  if (node.op === '-_') return (node.args as LibraryNode).op === 'value';
  return node.op === 'value' || isConversion(node);
}

/** Why a pattern is none. */
export function patternProblem(tree: unknown): string | undefined {
  for (const { op, args } of nodesOf(tree)) {
    if (op !== 'rcall' && op !== 'call') continue;
    const [name, ...rest] = args as [string, ...unknown[]];
    const given = rest.at(-1) as LibraryNode[];
    const pattern = op === 'call' ? given[1] : given[0];
    if (!searches.has(name) || pattern?.op !== 'value' || typeof pattern.args !== 'string') continue;
    try {
      RE2JS.compile(pattern.args);
    } catch (error) {
      if (error instanceof RE2JSSyntaxException) return error.message;
      throw error;
    }
  }
  return undefined;
}

/**
 * Arithmetic in the bounds of 64 bits, and maps whose keys are no texts: the library lets the smallest integer be
 * negated, and makes texts of all keys.
 */
import { EvaluationError } from '@marcbachmann/cel-js';
import { UnsignedInt } from '@marcbachmann/cel-js/evaluator';
import { isInt64 } from './go-values.ts';
import { type LibraryNode, nodesOf } from './library-tree.ts';

interface Operation extends LibraryNode {
  handle(left: unknown, ...rest: unknown[]): unknown;
}

interface MapLiteral extends LibraryNode {
  args: [key: LibraryNode, value: LibraryNode][];
  setMeta(name: 'evaluate', evaluate: Evaluate): void;
  meta: { evaluate: Evaluate };
}

type Evaluate = (evaluator: Evaluator, node: MapLiteral, context: unknown) => unknown;

interface Evaluator {
  run(node: LibraryNode, context: unknown): unknown;
}

const operators = new Set(['-_', '+', '-', '*', '/', '%']);

/** For a tree that was checked and not yet evaluated. */
export function asGoCalculates(tree: unknown): void {
  for (const node of nodesOf(tree)) {
    if (operators.has(node.op)) bound(node as Operation);
    else if (node.op === 'map' && (node.args as unknown[]).length > 0) keepKeys(node as MapLiteral);
  }
}

function bound(node: Operation): void {
  const calculate = node.handle;
  // The smallest integer is written as the negative of one that is none.
  if (node.op === '-_' && (node.args as LibraryNode).op === 'value') return;
  node.handle = (left, ...rest) => {
    if (node.op === '%' && rest[0] === -1n && typeof left === 'bigint' && !isInt64(-left)) overflow(left);
    const result = inItsWords(node.op, left, () => calculate(left, ...rest));
    return typeof result === 'bigint' && !isInt64(result) ? overflow(left) : result;
  };
}

function overflow(value: unknown): never {
  throw new Error(value instanceof UnsignedInt ? 'unsigned integer overflow' : 'integer overflow');
}

function inItsWords(operator: string, value: unknown, calculate: () => unknown): unknown {
  try {
    return calculate();
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    if (error.code === 'numeric_overflow') overflow(value);
    if (operator === '%' && error.code === 'modulo_by_zero')
      throw new Error('modulus by zero', { cause: error });
    throw error;
  }
}

/** Unsigned integers are objects of the library's, and no keys that a map finds again. */
function keepKeys(node: MapLiteral): void {
  if (node.args.every(([key]) => key.op === 'value' && typeof key.args === 'string')) return;
  const inner = node.meta.evaluate;
  node.setMeta('evaluate', (evaluator, self, context) => {
    const keys = node.args.map(([key]) => evaluator.run(key, context));
    if (!keys.some((key) => typeof key === 'bigint' || typeof key === 'boolean'))
      return inner(evaluator, self, context);
    return new Map(node.args.map(([, value], index) => [keys[index], evaluator.run(value, context)]));
  });
}

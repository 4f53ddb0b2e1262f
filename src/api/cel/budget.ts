/**
 * What one evaluation of an expression may cost: the library limits how long an expression is, not how often its loops
 * run, and nested loops over a large object would block everything else.
 */
import { type LibraryNode, nodesOf } from './library-tree.ts';

/** Rounds of all loops together: about what upstream's limit of a million units allows. */
const roundsMax = 250_000;
/** Characters that functions which make text longer may give, and those that match it may read, together. */
const textCharsMax = 10_000_000;
/** Items, or pairs of items, that functions on lists may look at together. */
const itemsMax = 5_000_000;

/** Macros whose arguments but the first, which names a variable, are evaluated once for every element. */
const loops = new Set([
  ...['all', 'exists', 'exists_one', 'existsOne', 'filter', 'map', 'sortBy'],
  ...['transformList', 'transformMap', 'transformMapEntry'],
]);

interface Node extends LibraryNode {
  evaluate(evaluator: Evaluator, node: Node, context: unknown): unknown;
}

interface Evaluator {
  tryEval(node: Node, context: unknown): unknown;
}

let rounds = 0;
let textChars = 0;
let items = 0;
let depth = 0;

/** Runs an evaluation with a budget of its own, unless it is part of another one. */
export function withBudget<T>(work: () => T): T {
  if (depth === 0) {
    rounds = 0;
    textChars = 0;
    items = 0;
  }
  depth++;
  try {
    return work();
  } finally {
    depth--;
  }
}

/** What the error of an evaluation starts with that was too dear. */
export const budgetSpent = 'operation cancelled: actual cost limit exceeded';

/** For code that continues after errors: nothing may continue after this one. @throws Error when the budget is spent */
export function checkBudget(): void {
  if (rounds > roundsMax || textChars > textCharsMax || items > itemsMax) throw new Error(budgetSpent);
}

/** For text of this many characters. @throws Error when the budget is spent */
export function spendText(chars: number): void {
  textChars += chars;
  checkBudget();
}

/** For this many items of a list, or pairs of items of two. @throws Error when the budget is spent */
export function spendItems(count: number): void {
  items += count;
  checkBudget();
}

/** Instruments the tree's loops so that every round is counted. For a tree that was checked and not yet evaluated. */
export function countRounds(tree: unknown): void {
  for (const { op, args } of nodesOf(tree)) {
    if (op !== 'rcall') continue;
    const [name, , given] = args as [string, Node, Node[]];
    if (loops.has(name)) for (const body of given.slice(1)) countEach(body);
  }
}

/** A node replaces its own `evaluate` when it is evaluated first: what it sets is called below the counting one. */
function countEach(node: Node): void {
  let inner = node.evaluate;
  const counted: Node['evaluate'] = function (this: Node, evaluator, self, context) {
    rounds++;
    checkBudget();
    stopAtBudget(evaluator);
    return inner.call(this, evaluator, self, context);
  };
  Object.defineProperty(node, 'evaluate', {
    get: () => counted,
    set: (value: Node['evaluate']) => {
      inner = value;
    },
  });
}

const stopping = new WeakSet<object>();

/**
 * `all`, `exists`, `||` and `&&` continue after an error, as another operand may decide: but not after a spent budget.
 */
function stopAtBudget(evaluator: Evaluator): void {
  const prototype = Object.getPrototypeOf(evaluator) as Evaluator;
  if (stopping.has(prototype)) return;
  stopping.add(prototype);
  const { tryEval } = prototype;
  prototype.tryEval = function (this: Evaluator, node, context) {
    const result = tryEval.call(this, node, context);
    checkBudget();
    return result;
  };
}

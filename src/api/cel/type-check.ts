/**
 * Whether expressions fit the schema of what they are about: the fields they name are there, and operators stand
 * between values that go together. What is not known for sure is let pass: evaluation tells.
 */
import type { SchemaNode } from '../schema/schemas.ts';
import { CelError, compileCel } from './environment.ts';
import { escapeName } from './values.ts';

/** The library's syntax tree, as far as it is looked at. */
interface Node {
  op: string;
  args: unknown;
  /** Where the node ends in the source. */
  end: number;
}

/** Undefined: anything. */
type Known = SchemaNode | undefined;
type Scope = ReadonlyMap<string, Known>;

export interface TypedVariable {
  name: string;
  expression: string;
}

/** What the types of variables make of the expressions that are checked one after the other. */
export class TypeChecker {
  readonly #names: readonly string[];
  readonly #scope: Scope;
  readonly #variables = new Map<string, Known>();

  /** `names`: all that an expression may use; `typed`: those of a known type; `variables`: what it says of its own. */
  constructor(
    names: readonly string[],
    typed: Record<string, SchemaNode>,
    variables: readonly TypedVariable[] = [],
  ) {
    this.#names = names;
    this.#scope = new Map(Object.entries(typed));
    for (const { name, expression } of variables) this.#variables.set(name, this.#walk(expression).known);
  }

  /** Each as upstream's compiler prints it, with the place in the expression. */
  problemsOf(expression: string): string[] {
    return this.#walk(expression).problems.map(({ at, text }) => shown(expression, at, text));
  }

  #walk(expression: string): { known: Known; problems: Problem[] } {
    try {
      const { ast } = compileCel(expression, this.#names);
      const walk = new Walk(expression, this.#variables);
      return { known: walk.visit(ast as Node, this.#scope), problems: walk.problems };
    } catch (error) {
      // What does not compile at all was refused when the policy was written.
      if (error instanceof CelError) return { known: undefined, problems: [] };
      throw error;
    }
  }
}

interface Problem {
  at: number;
  text: string;
}

const booleans: SchemaNode = { type: 'boolean', goType: 'bool' };
const arithmetic = new Set(['+', '-', '*', '/', '%']);
const comparisons = new Set(['<', '<=', '>', '>=', '==', '!=']);
const numbers = new Set(['int', 'double']);
const typeNames: Partial<Record<SchemaNode['type'], string>> = {
  integer: 'int',
  number: 'double',
  boolean: 'bool',
  string: 'string',
};

function typeName(known: Known): string | undefined {
  return known && typeNames[known.type];
}

function literalType(value: unknown): Known {
  if (typeof value === 'string') return { type: 'string', goType: 'string' };
  if (typeof value === 'bigint') return { type: 'integer', goType: 'int64' };
  if (typeof value === 'number') return { type: 'number', goType: 'float64' };
  return typeof value === 'boolean' ? booleans : undefined;
}

/** Macros whose first argument names the element that the others speak of. */
const loops = new Set(['all', 'exists', 'exists_one', 'existsOne', 'filter', 'map']);

class Walk {
  readonly problems: Problem[] = [];
  readonly #source: string;
  readonly #variables: ReadonlyMap<string, Known>;

  constructor(source: string, variables: ReadonlyMap<string, Known>) {
    this.#source = source;
    this.#variables = variables;
  }

  visit(node: Node, scope: Scope): Known {
    const args = node.args as Node[];
    switch (node.op) {
      case 'id':
        return scope.get(node.args as string);
      case 'value':
        return literalType(node.args);
      case '.':
      case '.?':
        return this.#field(node, scope);
      case '[]':
      case '[?]': {
        const owner = this.visit(args[0]!, scope);
        this.#visitAll(args.slice(1), scope);
        return owner?.element;
      }
      case 'rcall':
        return this.#method(node, scope);
      case '&&':
      case '||':
      case '!_':
        this.#visitAll(node.args, scope);
        return booleans;
      default:
        if (arithmetic.has(node.op) || comparisons.has(node.op)) return this.#operator(node, scope);
        this.#visitAll(node.args, scope);
        return undefined;
    }
  }

  #field(node: Node, scope: Scope): Known {
    const [owner, name] = node.args as [Node, string];
    if (owner.op === 'id' && owner.args === 'variables' && !scope.has('variables'))
      return this.#variables.get(name);
    const known = this.visit(owner, scope);
    if (!known) return undefined;
    if (known.type === 'map') return known.element;
    if (known.type !== 'object' || known.preserveUnknown) return undefined;
    for (const [field, { node: type }] of known.fields ?? []) if (escapeName(field) === name) return type;
    const at = this.#source.indexOf('.', owner.end);
    this.problems.push({ at: at < 0 ? owner.end : at, text: `undefined field '${name}'` });
    return undefined;
  }

  /** Numbers of different kinds are left alone: some go together. */
  #operator(node: Node, scope: Scope): Known {
    const [left, right] = node.args as [Node, Node];
    const types = [left, right].map((side) => this.visit(side, scope));
    const isComparison = comparisons.has(node.op);
    const [one, other] = types.map(typeName);
    if (one && other && one !== other && !(numbers.has(one) && numbers.has(other))) {
      const at = this.#source.indexOf(node.op, left.end);
      const text = `found no matching overload for '_${node.op}_' applied to '(${one}, ${other})'`;
      this.problems.push({ at: at < 0 ? left.end : at, text });
    }
    return isComparison ? booleans : one === other ? types[0] : undefined;
  }

  #method(node: Node, scope: Scope): Known {
    const [name, receiver, args] = node.args as [string, Node, Node[]];
    const known = this.visit(receiver, scope);
    const [variable, ...bodies] = args;
    if (!loops.has(name) || variable?.op !== 'id' || bodies.length === 0) {
      this.#visitAll(args, scope);
      return undefined;
    }
    const isTwofold = name !== 'map' && bodies.length === 2 && bodies[0]!.op === 'id';
    // Of two variables the second is the value; one alone goes through the keys of a map.
    const [bound, checked] = isTwofold ? [bodies[0]!, bodies.slice(1)] : [variable, bodies];
    const element = known?.type === 'list' || isTwofold ? known?.element : undefined;
    const inner = new Map([...scope, [variable.args as string, undefined], [bound.args as string, element]]);
    for (const body of checked) this.visit(body, inner);
    return name === 'filter' ? known : undefined;
  }

  #visitAll(parts: unknown, scope: Scope): void {
    if (Array.isArray(parts)) for (const part of parts) this.#visitAll(part, scope);
    else if (typeof parts === 'object' && parts !== null && 'op' in parts) this.visit(parts as Node, scope);
  }
}

function shown(source: string, at: number, text: string): string {
  const before = source.slice(0, at).split('\n');
  const column = before.at(-1)!.length;
  const line = source.split('\n')[before.length - 1]!;
  return `ERROR: <input>:${before.length}:${column + 1}: ${text}\n | ${line}\n | ${'.'.repeat(column)}^`;
}

/** Determines the type of an expression, and its errors, in the words of upstream's compiler. */
import { RE2JS, RE2JSSyntaxException } from 're2js';
import { durationOf, timestampOf, timestampOfSeconds } from '../go-values.ts';
import { declarations } from './declarations.ts';
import { formatProblem } from './format-clauses.ts';
import { stringValueOf } from './literals.ts';
import { nowhere, parseExpression } from './parse.ts';
import type { Overload } from './signatures.ts';
import type { Problem } from './tokens.ts';
import type { Loop, Tree } from './tree.ts';
import {
  type Bindings,
  bool,
  type CelType,
  dyn,
  errorType,
  goTogether,
  int,
  isUnknown,
  listOf,
  mapOf,
  optionalOf,
  resolve,
  typeText,
} from './types.ts';

export interface Checked {
  /** Undefined when there are problems. */
  type: CelType | undefined;
  /** Each as upstream shows it, with the place in the expression; in the order of their places. */
  problems: string[];
}

/** `variables`: what the expression may name. `objects`: types whose values it may make, such as `Object.spec`. */
export function checkExpression(
  source: string,
  variables: ReadonlyMap<string, CelType>,
  objects: (name: string) => CelType | undefined = () => undefined,
): Checked {
  const { tree, problems } = parseExpression(source);
  if (!tree) return { type: undefined, problems: shownInOrder(source, problems) };
  const checker = new Checker(objects);
  const type = checker.typeOf(tree, variables);
  for (const problems of [checker.problems, checker.laterProblems])
    if (problems.length > 0) return { type: undefined, problems: shownInOrder(source, problems) };
  return { type: resolve(type, checker.bindings), problems: [] };
}

type Scope = ReadonlyMap<string, CelType>;

const literalTypes: ReadonlySet<string> = new Set(
  'bool int uint double string bytes timestamp duration'.split(' '),
);
const logic = new Set(['_&&_', '_||_', '!_']);

class Checker {
  readonly problems: Problem[] = [];
  /** Of an expression whose types are right: upstream looks for these only then. */
  readonly laterProblems: Problem[] = [];
  readonly bindings: Bindings = new Map();
  readonly #objects: (name: string) => CelType | undefined;
  #fresh = 0;
  /** How many calls of `format` this is within: what is put into a text may be of any type. */
  #formatDepth = 0;
  readonly #types = new Map<Tree, CelType>();

  constructor(objects: (name: string) => CelType | undefined) {
    this.#objects = objects;
  }

  typeOf(tree: Tree, scope: Scope): CelType {
    const type = resolve(this.#visit(tree, scope), this.bindings);
    if (this.#formatDepth > 0) this.#types.set(tree, type);
    return type;
  }

  #problem(at: number, text: string): CelType {
    this.problems.push({ at, text });
    return errorType;
  }

  #visit(tree: Tree, scope: Scope): CelType {
    switch (tree.op) {
      case 'literal':
        return { kind: tree.type } as CelType;
      case 'name':
        return this.#name(tree.name, tree.at, scope);
      case 'field':
        return this.#field(tree, scope);
      case 'has': {
        const { at, of, name } = tree;
        this.#fieldOf(this.typeOf(of, scope), { at, name });
        return bool;
      }
      case 'list':
        return this.#list(tree, scope);
      case 'map':
        return this.#map(tree, scope);
      case 'object':
        return this.#object(tree, scope);
      case 'loop':
        return this.#loop(tree, scope);
      case 'bind':
        return this.#bind(tree, scope);
      default:
        return this.#call(tree, scope);
    }
  }

  #name(name: string, at: number, scope: Scope): CelType {
    const known = scope.get(name);
    if (known) return known;
    if (literalTypes.has(name)) return { kind: 'type', of: { kind: name } as CelType };
    if (name === 'list') return { kind: 'type', of: listOf(dyn) };
    if (name === 'map') return { kind: 'type', of: mapOf(dyn, dyn) };
    if (name === 'null_type') return { kind: 'type', of: { kind: 'null' } };
    return this.#problem(at, `undeclared reference to '${name}' (in container '')`);
  }

  #field(tree: Tree & { op: 'field' }, scope: Scope): CelType {
    const owner = this.typeOf(tree.of, scope);
    const isOptional = owner.kind === 'optional';
    const found = this.#fieldOf(isOptional ? owner.of : owner, tree);
    return (isOptional || tree.optional) && found.kind !== 'error' ? optionalOf(found) : found;
  }

  #fieldOf(given: CelType, { name, at }: { name: string; at: number }): CelType {
    const owner = given.kind === 'optional' ? given.of : given;
    if (isUnknown(owner)) return owner;
    if (owner.kind === 'map') return owner.of;
    if (owner.kind === 'param') return dyn;
    if (owner.kind === 'object') return owner.field(name) ?? this.#problem(at, `undefined field '${name}'`);
    return this.#problem(at, `type '${typeText(owner)}' does not support field selection`);
  }

  #list({ items }: Tree & { op: 'list' }, scope: Scope): CelType {
    let of: CelType | undefined;
    for (const { tree, optional } of items) {
      const type = this.#entry(tree, optional, scope);
      of = of === undefined ? type : this.#joined(of, type, tree.at);
    }
    return listOf(of ?? this.#param());
  }

  #map({ entries }: Tree & { op: 'map' }, scope: Scope): CelType {
    let key: CelType | undefined;
    let of: CelType | undefined;
    for (const entry of entries) {
      const keyType = this.typeOf(entry.key, scope);
      const type = this.#entry(entry.value, entry.optional, scope);
      key = key === undefined ? keyType : this.#joined(key, keyType, entry.key.at);
      of = of === undefined ? type : this.#joined(of, type, entry.value.at);
    }
    return mapOf(key ?? this.#param(), of ?? this.#param());
  }

  /** The type of what an entry holds if it is there. */
  #entry(value: Tree, optional: boolean, scope: Scope): CelType {
    const given = this.typeOf(value, scope);
    if (!optional) return given;
    if (given.kind === 'optional') return given.of;
    if (!isUnknown(given))
      this.#problem(
        value.at,
        `expected type 'optional_type(${typeText(given)})' but found '${typeText(given)}'`,
      );
    return given;
  }

  /** Literals hold values of one type. */
  #joined(first: CelType, next: CelType, at: number): CelType {
    if (goTogether(first, next, this.bindings)) return isUnknown(next) ? next : resolve(first, this.bindings);
    if (this.#formatDepth === 0) {
      const text = `expected type '${typeText(first)}' but found '${typeText(next)}'`;
      this.laterProblems.push({ at, text });
    }
    return dyn;
  }

  #object({ name, at, fields }: Tree & { op: 'object' }, scope: Scope): CelType {
    const type = this.#objects(name);
    if (!type) this.#problem(at, `undeclared reference to '${name}' (in container '')`);
    for (const field of fields) {
      const value = this.#entry(field.value, field.optional, scope);
      if (type?.kind !== 'object') continue;
      const wanted = type.field(field.name);
      if (!wanted) this.#problem(field.at, `undefined field '${field.name}'`);
      else if (!goTogether(wanted, value, this.bindings))
        this.#problem(
          field.at,
          `expected type of field '${field.name}' is '${typeText(wanted)}' but provided type is '${typeText(value)}'`,
        );
    }
    return type ?? errorType;
  }

  #bind(tree: Tree & { op: 'bind' }, scope: Scope): CelType {
    const value = this.typeOf(tree.value, scope);
    const held = value.kind === 'optional' ? value.of : isUnknown(value) ? value : undefined;
    if (!held)
      return this.#problem(
        tree.at,
        `found no matching overload for 'hasValue' applied to '${typeText(value)}.()'`,
      );
    const result = this.typeOf(tree.body, new Map([...scope, [tree.variable, held]]));
    if (isUnknown(result) || tree.optional === 'whole') return result;
    return optionalOf(result);
  }

  #loop(tree: Loop, scope: Scope): CelType {
    const range = this.typeOf(tree.range, scope);
    const [first, second] = this.#elements(range, tree);
    const variables: [string, CelType][] =
      tree.variables.length > 1
        ? [
            [tree.variables[0]!, first],
            [tree.variables[1]!, second],
          ]
        : [[tree.variables[0]!, range.kind === 'list' ? second : first]];
    const inner = new Map([...scope, ...variables]);
    const bodies = tree.bodies.map((body) => ({ at: body.at, type: this.typeOf(body, inner) }));
    const predicates =
      tree.name === 'filter' ? bodies : isQuantifier(tree.name) ? bodies : bodies.slice(0, -1);
    for (const { at, type } of predicates)
      if (!goTogether(bool, type, this.bindings))
        this.#problem(at, `expected type 'bool' but found '${typeText(type)}'`);
    if (isQuantifier(tree.name)) return bool;
    const result = bodies.at(-1)!.type;
    if (tree.name === 'filter') return range.kind === 'list' ? range : listOf(first);
    if (tree.name === 'sortBy') return range;
    if (tree.name === 'transformMap') return mapOf(first, result);
    return tree.name === 'transformMapEntry' ? result : listOf(result);
  }

  /** Of index and value, or key and value. */
  #elements(range: CelType, tree: Loop): [CelType, CelType] {
    if (range.kind === 'list') return [int, range.of];
    if (range.kind === 'map') return [range.key, range.of];
    if (isUnknown(range) || range.kind === 'param') return [dyn, dyn];
    this.#problem(
      tree.range.at,
      `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
    );
    return [errorType, errorType];
  }

  #call(tree: Tree & { op: 'call' }, scope: Scope): CelType {
    const { name, of, at } = tree;
    const qualified = of && this.#namespaced(of, name, scope);
    const overloads = declarations.get(qualified ?? name) ?? [];
    const isMethod = of !== undefined && qualified === undefined;
    const receivers = isMethod ? [of] : [];
    const isFormat = name === 'format';
    if (isFormat) this.#formatDepth++;
    const args = [...receivers, ...tree.args].map((arg) => this.typeOf(arg, scope));
    if (isFormat) this.#formatDepth--;
    if (logic.has(name) && name !== '!_') return this.#logic(tree, args);
    if (overloads.length === 0)
      return this.#problem(at, `undeclared reference to '${name}' (in container '')`);
    const matching = overloads.filter((overload) => overload.isMethod === isMethod);
    const type = this.#resolved(matching, args);
    if (type) {
      this.#checkLiterals(tree);
      return type;
    }
    const texts = args.map((arg) => typeText(resolve(arg, this.bindings)));
    const shown = isMethod ? `${texts[0]}.(${texts.slice(1).join(', ')})` : `(${texts.join(', ')})`;
    return this.#problem(at, `found no matching overload for '${qualified ?? name}' applied to '${shown}'`);
  }

  /** `sets.contains` is a function by that name, unless there is a variable `sets`; `jsonpatch` comes with its objects. */
  #namespaced(of: Tree, name: string, scope: Scope): string | undefined {
    if (of.op !== 'name' || scope.has(of.name)) return undefined;
    if (of.name === 'jsonpatch' && !this.#objects('JSONPatch')) return undefined;
    const qualified = `${of.name}.${name}`;
    return declarations.has(qualified) ? qualified : undefined;
  }

  #logic(tree: Tree & { op: 'call' }, args: readonly CelType[]): CelType {
    for (const [index, type] of args.entries())
      if (!goTogether(bool, type, this.bindings))
        this.#problem(tree.args[index]!.at, `expected type 'bool' but found '${typeText(type)}'`);
    return bool;
  }

  /** The result type of the call: `dyn` when several overloads with different results fit. */
  #resolved(overloads: readonly Overload[], args: readonly CelType[]): CelType | undefined {
    let result: CelType | undefined;
    let bound: Bindings | undefined;
    for (const overload of overloads) {
      if (overload.args.length !== args.length) continue;
      const bindings = new Map(this.bindings);
      const own = this.#renamed(overload);
      if (!own.args.every((wanted, index) => goTogether(wanted, args[index]!, bindings))) continue;
      const type = resolve(own.result, bindings);
      bound ??= bindings;
      if (result === undefined) result = type;
      else if (typeText(result) !== typeText(type)) result = dyn;
    }
    if (bound) for (const [name, type] of bound) this.bindings.set(name, type);
    return result;
  }

  /** Type parameters of a call are its own. */
  #renamed({ args, result }: Overload): { args: CelType[]; result: CelType } {
    const own: Bindings = new Map();
    for (const name of ['A', 'B']) own.set(name, this.#param());
    return { args: args.map((arg) => resolve(arg, own)), result: resolve(result, own) };
  }

  #param(): CelType {
    return { kind: 'param', name: `#${this.#fresh++}` };
  }

  /** Literal arguments that no value can be made of. */
  #checkLiterals(tree: Tree & { op: 'call' }): void {
    const { name, of, args } = tree;
    if (name === 'format' && of?.op === 'literal' && of.type === 'string') {
      const typeOf = (part: Tree) => resolve(this.#types.get(part) ?? dyn, this.bindings);
      const problem = formatProblem(stringValueOf(of.text), tree, typeOf);
      if (problem) this.laterProblems.push(problem);
    }
    // Upstream looks at the first argument, also where the pattern is the second.
    const literal = args[0];
    if (literal?.op !== 'literal' || (of && name !== 'matches')) return;
    const isRight =
      literal.type === 'string'
        ? textChecks.get(name)?.(stringValueOf(literal.text))
        : literal.type === 'int' && name === 'timestamp'
          ? timestampOfSeconds(BigInt(literal.text)) !== 'overflow'
          : true;
    if (isRight === false) this.laterProblems.push({ at: literal.at, text: `invalid ${name} argument` });
  }
}

function isQuantifier(name: string): boolean {
  return ['all', 'exists', 'exists_one', 'existsOne'].includes(name);
}

const textChecks = new Map<string, (text: string) => boolean>(
  Object.entries({
    matches: isPattern,
    duration: (text) => durationOf(text) !== undefined,
    timestamp: (text) => timestampOf(text) instanceof Date,
  }),
);

function isPattern(text: string): boolean {
  try {
    RE2JS.compile(text);
    return true;
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return false;
    throw error;
  }
}

/** Upstream's figures: problems beyond these are counted, and a longer line is not shown. */
const shownMax = 100;
const shownLineBytesMax = 16_384;

function shownInOrder(source: string, problems: readonly Problem[]): string[] {
  const sorted = problems.slice(0, shownMax).sort((left, right) => left.at - right.at);
  const texts = [...new Set(sorted.map((problem) => shown(source, problem)))];
  const more = problems.length - shownMax;
  return more > 0 ? [...texts, `${more} more errors were truncated`] : texts;
}

function shown(source: string, { at, text }: Problem): string {
  if (at === nowhere) return `ERROR: <input>:-1:0: ${text}`;
  if (source === '') return `ERROR: <input>:1:0: ${text}`;
  const before = source.slice(0, at).split('\n');
  const line = source.split('\n')[before.length - 1] ?? '';
  const passed = [...before.at(-1)!];
  const place = `ERROR: <input>:${before.length}:${passed.length + 1}: ${text}`;
  if (Buffer.byteLength(line) > shownLineBytesMax) return place;
  const marks = passed.map((character) => (isWide(character) ? '．' : '.')).join('');
  const pointed = [...line][passed.length];
  const arrow = pointed !== undefined && isWide(pointed) ? '＾' : '^';
  return `${place}\n | ${line}\n | ${marks}${arrow}`;
}

/** Upstream takes everything that is more than a byte for wide. */
function isWide(character: string): boolean {
  return character.codePointAt(0)! > 0x7f;
}

/** Parses expressions as upstream's parser does, with its error messages. */
import { type Problem, type Token, tokenize } from './tokens.ts';
import type { Entry, Field, Item, Tree } from './tree.ts';

const startNames =
  "'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER";
const expression = `{${startNames}}`;
const orQuestion = `{${startNames.replace("'true'", "'?', 'true'")}}`;
const orClose = `{${startNames.replace("'.'", "')', '.'")}}`;
const startSigns = new Set(['[', '{', '(', '.', '-', '!']);
const startKinds = new Set(['IDENTIFIER', 'NUM_INT', 'NUM_UINT', 'NUM_FLOAT', 'STRING', 'BYTES']);
const reserved = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
const depthMax = 250;

const loops: Readonly<Record<string, readonly number[]>> = {
  all: [2, 3],
  exists: [2, 3],
  exists_one: [2, 3],
  existsOne: [2, 3],
  map: [2, 3],
  filter: [2],
  sortBy: [2],
  transformList: [3, 4],
  transformMap: [3, 4],
  transformMapEntry: [3, 4],
};

export interface Parsed {
  tree: Tree | undefined;
  problems: Problem[];
}

/** Upstream's limit of an expression's length. */
const codePointsMax = 100_000;

/** Of a problem with the expression as a whole. */
export const nowhere = -1;

export function parseExpression(source: string): Parsed {
  const tooLong = lengthProblem(source);
  if (tooLong) return { tree: undefined, problems: [{ at: nowhere, text: tooLong }] };
  const { tokens, problems } = tokenize(source);
  const parser = new Parser(source, tokens, problems);
  try {
    const tree = parser.whole();
    return { tree: problems.length > 0 ? undefined : tree, problems };
  } catch (error) {
    if (error !== stop) throw error;
    return { tree: undefined, problems };
  }
}

/** Before anything is read: reading, and showing where a mistake is, take their time. */
export function lengthProblem(source: string): string | undefined {
  if (source.length <= codePointsMax) return undefined;
  const size = [...source].length;
  return size > codePointsMax
    ? `expression code point size exceeds limit: size: ${size}, limit ${codePointsMax}`
    : undefined;
}

/** Nothing sensible can be said of what follows an error. */
const stop = new Error('the expression cannot be read');

const binaries: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['<', '<=', '>=', '>', '==', '!=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

/** Up to here, the levels of {@link binaries} are those of `||` and `&&`. */
const logicLevel = 1;

interface Operator {
  name: string;
  at: number;
}

function callOf({ name, at }: Operator, left: Tree, right: Tree): Tree {
  return { op: 'call', at, name, of: undefined, args: [left, right] };
}

/** A tree that is no deeper than it must be, as upstream makes one: there may be thousands of terms. */
function balanced(terms: readonly Tree[], operators: readonly Operator[]): Tree {
  if (operators.length === 0) return terms[0]!;
  const middle = operators.length >> 1;
  const left = balanced(terms.slice(0, middle + 1), operators.slice(0, middle));
  const right = balanced(terms.slice(middle + 1), operators.slice(middle + 1));
  return callOf(operators[middle]!, left, right);
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #problems: Problem[];
  #next = 0;
  #depth = 0;

  constructor(source: string, tokens: readonly Token[], problems: Problem[]) {
    this.#source = source;
    this.#tokens = tokens;
    this.#problems = problems;
  }

  whole(): Tree {
    const tree = this.#expression();
    if (this.#token.kind !== 'EOF') {
      const word = this.#ahead(1).kind === 'EOF' ? 'extraneous' : 'mismatched';
      this.#fail(`Syntax error: ${word} input '${this.#token.text}' expecting <EOF>`);
    }
    return tree;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #ahead(count: number): Token {
    return this.#tokens[Math.min(this.#next + count, this.#tokens.length - 1)]!;
  }

  #is(...texts: readonly string[]): boolean {
    const { kind, text } = this.#token;
    return (kind === 'SIGN' || kind === 'KEYWORD') && texts.includes(text);
  }

  #take(text: string): Token | undefined {
    if (!this.#is(text)) return undefined;
    return this.#tokens[this.#next++];
  }

  /** From a place to the end of the present token. */
  #textFrom(at: number): string {
    const { at: end, kind, text } = this.#token;
    return kind === 'EOF' ? '.' : this.#source.slice(at, end + text.length).replace(/[^\x20-\x7e]/g, '');
  }

  #problem(text: string, at = this.#token.at): void {
    this.#problems.push({ at, text });
  }

  #fail(text: string, at = this.#token.at): never {
    this.#problem(text, at);
    throw stop;
  }

  /** `follows`: whether the token can follow the one that is missing. */
  #expect(text: string, shown: string, follows: (token: Token) => boolean): void {
    if (this.#take(text)) return;
    const { text: found } = this.#token;
    if (isSign(this.#ahead(1), text))
      this.#fail(`Syntax error: extraneous input '${found}' expecting ${shown}`);
    if (follows(this.#token)) this.#fail(`Syntax error: missing '${text}' at '${found}'`);
    this.#fail(`Syntax error: mismatched input '${found}' expecting ${shown}`);
  }

  #expression(expected = expression): Tree {
    this.#checkDepth(++this.#depth);
    const condition = this.#binary(0, expected);
    const question = this.#take('?');
    if (question) {
      const yes = this.#binary(0, expression);
      this.#expect(':', "':'", isStart);
      const no = this.#expression();
      this.#depth--;
      return { op: 'call', at: question.at, name: '_?_:_', of: undefined, args: [condition, yes, no] };
    }
    this.#depth--;
    return condition;
  }

  #binary(level: number, expected: string): Tree {
    const signs = binaries[level];
    if (!signs) return this.#unary(expected);
    const first = this.#binary(level + 1, expected);
    const terms = [first];
    const operators: Operator[] = [];
    while (this.#is(...signs)) {
      const { text, at } = this.#tokens[this.#next++]!;
      operators.push({ name: text === 'in' ? '@in' : `_${text}_`, at });
      if (level > logicLevel) this.#checkDepth(operators.length + 1);
      terms.push(this.#binary(level + 1, expression));
    }
    if (level <= logicLevel) return balanced(terms, operators);
    return terms.slice(1).reduce((left, right, index) => callOf(operators[index]!, left, right), first);
  }

  #checkDepth(depth: number): void {
    if (depth > depthMax) this.#fail(`Syntax error: expression recursion limit exceeded: ${depthMax}`);
  }

  #unary(expected: string): Tree {
    const sign = this.#is('!', '-') ? this.#token.text : undefined;
    if (sign === '-' && this.#ahead(1).kind.startsWith('NUM_') && this.#ahead(1).kind !== 'NUM_UINT') {
      const { at } = this.#tokens[this.#next++]!;
      return this.#member(this.#literal(at, '-'));
    }
    if (!sign) return this.#member(this.#primary(expected));
    const { at } = this.#token;
    let count = 0;
    while (this.#take(sign)) count++;
    const operand = this.#member(this.#primary(expression));
    if (count % 2 === 0) return operand;
    return { op: 'call', at, name: `${sign}_`, of: undefined, args: [operand] };
  }

  #member(start: Tree): Tree {
    let tree = start;
    for (let depth = 1; ; depth++) {
      this.#checkDepth(depth);
      const { at } = this.#token;
      if (this.#take('.')) tree = this.#field(tree, at);
      else if (this.#take('[')) {
        const optional = !!this.#take('?');
        const index = this.#expression(optional ? expression : orQuestion);
        this.#expect(']', "']'", canFollow);
        tree = { op: 'call', at, name: optional ? '_[?_]' : '_[_]', of: undefined, args: [tree, index] };
      } else if (this.#is('{') && isTypeName(tree)) tree = this.#object(tree);
      else return tree;
    }
  }

  #field(of: Tree, at: number): Tree {
    const optional = !!this.#take('?');
    const { kind, text } = this.#token;
    if (kind === 'KEYWORD') this.#fail(`Syntax error: mismatched input '${text}' expecting IDENTIFIER`);
    if (kind !== 'IDENTIFIER' && kind !== 'ESC_IDENTIFIER')
      this.#fail(`Syntax error: no viable alternative at input '${this.#textFrom(at)}'`);
    this.#next++;
    const name = kind === 'ESC_IDENTIFIER' ? text.slice(1, -1) : text;
    const open = this.#token;
    if (optional || !this.#take('(')) return { op: 'field', at, of, name, optional };
    return this.#macro(name, open.at, of, this.#arguments());
  }

  #arguments(): Tree[] {
    const args: Tree[] = [];
    if (this.#take(')')) return args;
    do args.push(this.#expression(args.length === 0 ? orClose : expression));
    while (this.#take(','));
    this.#expect(')', "')'", canFollow);
    return args;
  }

  #primary(expected: string): Tree {
    const token = this.#token;
    const { kind, text, at } = token;
    if (kind === 'IDENTIFIER') {
      this.#next++;
      if (reserved.has(text)) this.#problem(`reserved identifier: ${text}`, at);
      const open = this.#token;
      if (!this.#take('(')) return { op: 'name', at, name: text };
      return this.#macro(text, open.at, undefined, this.#arguments());
    }
    if (isLiteral(token)) return this.#literal(at, '');
    if (this.#take('(')) {
      const tree = this.#expression();
      this.#expect(')', "')'", canFollow);
      return tree;
    }
    if (this.#take('[')) return this.#list(at);
    if (this.#take('{')) return this.#map(at);
    if (this.#is('.') && this.#ahead(1).kind === 'IDENTIFIER') {
      this.#next++;
      return this.#primary(expression);
    }
    const word = isStart(this.#ahead(1)) && kind !== 'EOF' ? 'extraneous' : 'mismatched';
    this.#fail(`Syntax error: ${word} input '${text}' expecting ${expected}`);
  }

  #literal(at: number, sign: string): Tree {
    const { kind, text } = this.#tokens[this.#next++]!;
    if (kind === 'KEYWORD') return { op: 'literal', at, type: text === 'null' ? 'null' : 'bool', text };
    if (kind === 'STRING') return { op: 'literal', at, type: 'string', text };
    if (kind === 'BYTES') return { op: 'literal', at, type: 'bytes', text };
    const type = kind === 'NUM_INT' ? 'int' : kind === 'NUM_UINT' ? 'uint' : 'double';
    if (!isInRange(type, sign + text)) this.#problem(`invalid ${type} literal`, at);
    return { op: 'literal', at, type, text: sign + text };
  }

  #list(at: number): Tree {
    const items: Item[] = [];
    while (!this.#is(']') && this.#token.kind !== 'EOF') {
      const optional = !!this.#take('?');
      items.push({ tree: this.#expression(), optional });
      if (!this.#take(',')) break;
    }
    this.#expect(']', items.length > 0 ? "{']', ','}" : "']'", canFollow);
    return { op: 'list', at, items };
  }

  #map(at: number): Tree {
    const entries: Entry[] = [];
    while (!this.#is('}') && this.#token.kind !== 'EOF') {
      const optional = !!this.#take('?');
      const key = this.#expression();
      this.#expect(':', "':'", isStart);
      entries.push({ key, value: this.#expression(), optional });
      if (!this.#take(',')) break;
    }
    this.#expect('}', entries.length > 0 ? "{'}', ','}" : "'}'", canFollow);
    return { op: 'map', at, entries };
  }

  #object(type: Tree): Tree {
    const { at } = this.#tokens[this.#next++]!;
    const fields: Field[] = [];
    while (!this.#is('}') && this.#token.kind !== 'EOF') {
      const optional = !!this.#take('?');
      const { kind, text, at: nameAt } = this.#token;
      if (kind !== 'IDENTIFIER' && kind !== 'ESC_IDENTIFIER')
        this.#fail(`Syntax error: mismatched input '${text}' expecting IDENTIFIER`);
      this.#next++;
      const colonAt = this.#token.at;
      this.#expect(':', "':'", isStart);
      const name = kind === 'ESC_IDENTIFIER' ? text.slice(1, -1) : text;
      fields.push({ name, at: colonAt || nameAt, value: this.#expression(), optional });
      if (!this.#take(',')) break;
    }
    if (fields.length === 0 && this.#token.kind === 'EOF')
      this.#fail(
        "Syntax error: mismatched input '<EOF>' expecting {'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}",
      );
    this.#expect('}', "'}'", canFollow);
    return { op: 'object', at, name: nameOf(type), fields };
  }

  /** A call, or the expansion of a macro. */
  #macro(name: string, at: number, of: Tree | undefined, args: Tree[]): Tree {
    if (name === 'has' && !of && args.length === 1) {
      const [arg] = args as [Tree];
      if (arg.op === 'field') return { op: 'has', at, of: arg.of, name: arg.name };
      this.#problem('invalid argument to has() macro', arg.at);
    } else if (of && Object.hasOwn(loops, name) && loops[name]!.includes(args.length))
      return this.#loop(name, at, of, args);
    else if (of && (name === 'optMap' || name === 'optFlatMap') && args.length === 2) {
      const [variable, body] = args as [Tree, Tree];
      const optional = name === 'optMap' ? 'value' : 'whole';
      if (variable.op === 'name')
        return { op: 'bind', at, variable: variable.name, value: of, body, optional };
      this.#problem('argument must be a simple name', variable.at);
    }
    return { op: 'call', at, name, of, args };
  }

  #loop(name: string, at: number, range: Tree, args: Tree[]): Tree {
    const isTwofold = name.startsWith('transform') || (args.length === 3 && name !== 'map');
    const names = args.slice(0, isTwofold ? 2 : 1);
    const variables: string[] = [];
    for (const each of names) {
      if (each.op === 'name') variables.push(each.name);
      else this.#problem('argument must be a simple name', each.at);
    }
    return { op: 'loop', at, name, range, variables, bodies: args.slice(names.length) };
  }
}

function isSign({ kind, text }: Token, sign: string): boolean {
  return kind === 'SIGN' && text === sign;
}

function isLiteral({ kind, text }: Token): boolean {
  return (startKinds.has(kind) && kind !== 'IDENTIFIER') || (kind === 'KEYWORD' && text !== 'in');
}

/** Whether an expression can start with it. */
function isStart(token: Token): boolean {
  return (
    startKinds.has(token.kind) || isLiteral(token) || (token.kind === 'SIGN' && startSigns.has(token.text))
  );
}

const followers = new Set([...binaries.flat(), '?', ':', ')', ']', '}', ',', '.', '[']);

/** Whether it can stand after a closing bracket. */
function canFollow({ kind, text }: Token): boolean {
  return kind === 'EOF' || followers.has(text);
}

function isTypeName(tree: Tree): boolean {
  return tree.op === 'name' || (tree.op === 'field' && !tree.optional && isTypeName(tree.of));
}

function nameOf(tree: Tree): string {
  if (tree.op === 'field') return `${nameOf(tree.of)}.${tree.name}`;
  return tree.op === 'name' ? tree.name : '';
}

const [int64Min, int64Max, uint64Max] = [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 64n - 1n];

function isInRange(type: 'int' | 'uint' | 'double', text: string): boolean {
  if (type === 'double') return Number.isFinite(Number(text));
  const digits = text.replace(/[uU]$/, '').replace(/^-/, '');
  const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
  return type === 'int' ? value >= int64Min && value <= int64Max : value <= uint64Max;
}

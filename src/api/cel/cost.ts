/**
 * The highest cost of a rule, in CEL's units, for the largest objects that its schema allows. It follows upstream's
 * estimate, and where the schema does not determine the size of a value it counts nothing: no rule is refused here that
 * upstream accepts.
 */
import {
  isIntOrString,
  itemSchema,
  propertySchema,
  type StructuralSchema,
  valueSchema,
} from '../structural/schema.ts';
import { isEntryMark } from './libraries/optional-entries.ts';
import { isPresence } from './libraries/presence.ts';
import { escapeName } from './values.ts';

/** The largest request, and so the bound of everything that a schema leaves open. */
const requestBytesMax = 3 * 1024 * 1024;
/** The largest number of bytes of a character. */
const bytesPerCharacter = 4;
const traversal = 0.1;
const regexLength = 0.25;
/** Characters in the longest pattern of a named format. */
const namePatternLength = 128;
const listCost = 10;
const mapCost = 30;

/** What is known of a value: its schema, or its size alone. */
interface Known {
  schema?: StructuralSchema | undefined;
  size?: number | undefined;
  items?: Known | undefined;
}

interface Node {
  op: string;
  args: unknown;
}

interface Estimate {
  cost: number;
  value: Known;
}

type Scope = ReadonlyMap<string, Known>;

const scalar: Known = { size: 1 };
const unknown: Known = {};

/** The cost of one evaluation of a compiled expression, with `self` of this schema. */
export function estimateCost(ast: unknown, schema: StructuralSchema): number {
  const self = { schema };
  const scope = new Map<string, Known>([
    ['self', self],
    ['oldSelf', self],
  ]);
  return estimate(ast as Node, scope).cost;
}

/** How many values of a schema one object can hold at most, when only its size limits them. */
export function cardinalityWithin(schema: StructuralSchema): number {
  return Math.floor(requestBytesMax / (serializedSizeMin(schema) + 1));
}

/** Elements that an array or a map of this schema multiplies what is below it by; undefined when it sets no bound. */
export function elementsMax(schema: StructuralSchema): number | undefined {
  if (schema.type === 'array')
    return schema.maxItems === undefined ? undefined : Math.max(0, schema.maxItems);
  if (schema.type === 'object' && schema.additionalProperties)
    return schema.maxProperties === undefined ? undefined : Math.max(0, schema.maxProperties);
  return 1;
}

function estimate(node: Node, scope: Scope): Estimate {
  const { op, args } = node;
  switch (op) {
    case 'value':
      return { cost: 0, value: { size: typeof args === 'string' ? args.length : 1 } };
    case 'id':
      return { cost: 1, value: scope.get(args as string) ?? unknown };
    case '.':
    case '.?': {
      const [target, name] = args as [Node, string];
      const from = estimate(target, scope);
      return { cost: from.cost + 1, value: fieldOf(from.value, name) };
    }
    case '[]':
    case '[?]': {
      const [target, index] = args as [Node, Node];
      const from = estimate(target, scope);
      return { cost: from.cost + estimate(index, scope).cost + 1, value: elementOf(from.value) };
    }
    case '?:': {
      const [condition, yes, no] = (args as Node[]).map((arg) => estimate(arg, scope));
      return { cost: condition!.cost + Math.max(yes!.cost, no!.cost), value: larger(yes!.value, no!.value) };
    }
    case '&&':
    case '||':
      return { cost: sumOf(args, scope), value: scalar };
    case 'list': {
      const items = args as Node[];
      return { cost: listCost + sumOf(items, scope), value: { size: items.length, items: unknown } };
    }
    case 'map': {
      const entries = args as Node[][];
      return { cost: mapCost + sumOf(entries, scope), value: { size: entries.length } };
    }
    case 'call':
      return estimateCall(args as [string, Node[]], scope);
    case 'rcall': {
      const [name, target, rest] = args as [string, Node, Node[]];
      return estimateMethod(name, target, rest, scope);
    }
    default:
      return estimateOperator(op, Array.isArray(args) ? (args as Node[]) : [args as Node], scope);
  }
}

function estimateOperator(op: string, args: Node[], scope: Scope): Estimate {
  const operands = args.map((arg) => estimate(arg, scope));
  const cost = operands.reduce((sum, operand) => sum + operand.cost, 0);
  const [left, right] = operands.map(({ value }) => sizeOf(value));
  if (['==', '!=', '<', '<=', '>', '>='].includes(op))
    return { cost: cost + scaled(Math.min(left ?? 0, right ?? 0), traversal), value: scalar };
  // A list is searched; a map finds its keys at once.
  if (op === 'in') return { cost: cost + (isList(operands[1]!.value) ? (right ?? 1) : 1), value: scalar };
  if (op === '+' && left !== undefined && right !== undefined)
    return { cost: cost + scaled(left + right, traversal), value: { size: left + right } };
  return { cost: cost + 1, value: scalar };
}

/** Functions that read a text from its start to its end. */
const readers: ReadonlySet<string> = new Set([
  ...['url', 'ip', 'isIP', 'cidr', 'isCIDR'],
  ...['quantity', 'isQuantity', 'semver', 'isSemver'],
]);

function estimateCall([name, args]: [string, Node[]], scope: Scope): Estimate {
  if (isEntryMark(name)) return estimate(args[0]!, scope);
  const cost = sumOf(args, scope);
  // Of the field that is asked for only what holds it is read.
  if (isPresence(name)) return { cost: cost - 1, value: scalar };
  if (readers.has(name) && args[0])
    return { cost: cost + scaled(sizeOf(estimate(args[0], scope).value) ?? 0, traversal), value: unknown };
  return { cost: cost + 1, value: name === 'size' ? scalar : unknown };
}

/** For a macro that iterates over a list or the keys of a map: the cost of each element, and the result. */
const loops: Readonly<Record<string, { perElement: number; start: number }>> = {
  all: { perElement: 3, start: 1 },
  exists: { perElement: 4, start: 1 },
  exists_one: { perElement: 2, start: 2 },
  existsOne: { perElement: 2, start: 2 },
  filter: { perElement: 13, start: 11 },
  map: { perElement: 12, start: 11 },
  transformList: { perElement: 12, start: 11 },
  transformMap: { perElement: 12, start: 31 },
  transformMapEntry: { perElement: 32, start: 31 },
};

/** Whether a loop binds index and value, or key and value: always, or with one argument more than usual. */
function bindsTwo(name: string, args: readonly Node[]): boolean {
  const isQuantifier = name === 'all' || name === 'exists' || name === 'existsOne';
  return name.startsWith('transform') || (isQuantifier && args.length === 3);
}

function estimateMethod(name: string, target: Node, args: Node[], scope: Scope): Estimate {
  if (name === 'bind' && target.op === 'id' && target.args === 'cel') return estimateBind(args, scope);
  if (target.op === 'id' && target.args === 'sets' && !scope.has('sets'))
    return estimateSets(name, args, scope);
  const from = estimate(target, scope);
  if (Object.hasOwn(loops, name) && args[0]?.op === 'id' && args.length > 1)
    return estimateLoop(name, from, args, scope);
  const given = args.map((arg) => estimate(arg, scope));
  const cost = from.cost + given.reduce((sum, arg) => sum + arg.cost, 0);
  const size = sizeOf(from.value) ?? 0;
  const other = given[0] ? (sizeOf(given[0].value) ?? 0) : 0;
  switch (name) {
    case 'matches':
      return { cost: cost + scaled(size + 1, traversal) * scaled(other, regexLength), value: scalar };
    case 'contains':
      return { cost: cost + scaled(size, traversal) * scaled(other, traversal), value: scalar };
    case 'startsWith':
    case 'endsWith':
      return { cost: cost + scaled(other, traversal), value: scalar };
    case 'size':
      return { cost: cost + 1, value: scalar };
    case 'orValue':
      return { cost: cost + 1, value: from.value };
    default:
      return estimateLibraryMethod(name, { from: from.value, given: given.map(({ value }) => value), cost });
  }
}

/** What a method works on, and what that has cost. */
interface MethodCall {
  from: Known;
  given: readonly Known[];
  cost: number;
}

/** Functions that go through texts and lists cost what these are long. */
function estimateLibraryMethod(name: string, { from, given, cost }: MethodCall): Estimate {
  const size = sizeOf(from) ?? 0;
  const other = given[0] ? (sizeOf(given[0]) ?? 0) : 0;
  switch (name) {
    case 'sum':
      return { cost: cost + size, value: unknown };
    case 'isSorted':
    case 'min':
    case 'max':
    case 'indexOf':
    case 'lastIndexOf':
      return {
        cost: cost + (isList(from) ? size * comparisonCost(from) : scaled(size, traversal)),
        value: unknown,
      };
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { cost: cost + scaled(size, traversal), value: { size } };
    case 'replace':
    case 'split':
      return { cost: cost + scaled(size, 2 * traversal), value: unknown };
    case 'join':
      return {
        cost: cost + scaled(size * (sizeOf(elementOf(from)) ?? 0) + other * Math.max(0, size - 1), traversal),
        value: unknown,
      };
    case 'find':
    case 'findAll':
      return { cost: cost + scaled(size + 1, traversal) * scaled(other, regexLength), value: unknown };
    case 'validate':
      return {
        cost: cost + scaled(scaled(other, traversal), namePatternLength * regexLength),
        value: unknown,
      };
    default:
      return { cost: cost + 1, value: unknown };
  }
}

/** Of an item of a list with another. */
function comparisonCost(list: Known): number {
  const item = elementOf(list);
  return item.schema?.type === 'string' ? 1 + scaled(sizeOf(item) ?? 0, traversal) : 1;
}

/** `sets.contains(a, b)`: all items of one list are looked for in the other, or in both directions. */
function estimateSets(name: string, args: readonly Node[], scope: Scope): Estimate {
  const lists = args.map((arg) => estimate(arg, scope));
  const pairs = lists.reduce((product, { value }) => product * (sizeOf(value) ?? 0), 1);
  const ways = name === 'equivalent' ? 2 : 1;
  return { cost: lists.reduce((sum, { cost }) => sum + cost, 0) + ways * pairs + 1, value: scalar };
}

/** `cel.bind(variable, value, body)`. */
function estimateBind(args: readonly Node[], scope: Scope): Estimate {
  const [variable, value, body] = args as [Node, Node, Node];
  const bound = estimate(value, scope);
  const inner = estimate(body, new Map([...scope, [variable.args as string, bound.value]]));
  return { cost: bound.cost + inner.cost + listCost, value: inner.value };
}

/** A macro that calculates its bodies once for each element of `from`. */
function estimateLoop(name: string, from: Estimate, args: readonly Node[], scope: Scope): Estimate {
  const { perElement, start } = loops[name]!;
  const isTwofold = bindsTwo(name, args);
  // A single variable iterates over the keys of a map; the second of two over its values.
  const element = isMap(from.value) && !isTwofold ? unknown : elementOf(from.value);
  const variables = args.slice(0, isTwofold ? 2 : 1).map((variable) => variable.args as string);
  const bound = variables.map((variable, index) => [
    variable,
    index === variables.length - 1 ? element : unknown,
  ]) as [string, Known][];
  const inner = new Map([...scope, ...bound]);
  const bodies = args.slice(variables.length).map((body) => estimate(body, inner));
  const each = perElement + bodies.reduce((sum, body) => sum + body.cost, 0);
  const size = sizeOf(from.value);
  const cost = from.cost + start + (size ?? 1) * each;
  if (name === 'filter') return { cost, value: { size, items: element } };
  if (name === 'map' || name === 'transformList')
    return { cost, value: { size, items: bodies.at(-1)!.value } };
  if (name.startsWith('transform')) return { cost, value: { size } };
  return { cost, value: scalar };
}

function sumOf(nodes: unknown, scope: Scope): number {
  let sum = 0;
  for (const node of (nodes as unknown[]).flat()) sum += estimate(node as Node, scope).cost;
  return sum;
}

function scaled(size: number, factor: number): number {
  return Math.ceil(size * factor);
}

function fieldOf({ schema }: Known, name: string): Known {
  if (!schema) return unknown;
  for (const key of Object.keys(schema.properties ?? {}))
    if (escapeName(key) === name) return { schema: schema.properties![key] };
  return { schema: propertySchema(schema, name) };
}

function elementOf({ schema, items }: Known): Known {
  if (!schema) return items ?? unknown;
  return { schema: itemSchema(schema) ?? valueSchema(schema) };
}

function isMap({ schema }: Known): boolean {
  return schema?.type === 'object';
}

function isList({ schema, items }: Known): boolean {
  return schema?.type === 'array' || items !== undefined;
}

function larger(left: Known, right: Known): Known {
  return (sizeOf(left) ?? 0) >= (sizeOf(right) ?? 0) ? left : right;
}

const formatSizes: Readonly<Record<string, number>> = { duration: 32, date: 12, 'date-time': 27 };

/** Characters of a text, items of a list, entries of a map; undefined when nothing is known. */
function sizeOf({ schema, size }: Known): number | undefined {
  if (!schema) return size;
  if (schema.type === 'string' || isIntOrString(schema)) {
    const known = formatSizes[schema.format ?? ''];
    if (known !== undefined) return known;
    if (schema.maxLength !== undefined) return schema.maxLength * bytesPerCharacter;
    const values = (schema.enum ?? []) as unknown[];
    if (values.length > 0) return Math.max(...values.map((value) => String(value).length));
    return requestBytesMax - 2;
  }
  if (schema.type === 'array') {
    const items = itemSchema(schema);
    const each = items ? serializedSizeMin(items) : 1;
    return schema.maxItems ?? Math.floor((requestBytesMax - 2) / (each + 1));
  }
  const values = valueSchema(schema);
  if (schema.type === 'object' && values)
    return schema.maxProperties ?? Math.floor((requestBytesMax - 2) / (serializedSizeMin(values) + 6));
  return 1;
}

/** The minimal size of a value in JSON, in bytes: `{}` plus the required fields of an object. */
function serializedSizeMin(schema: StructuralSchema): number {
  if (isIntOrString(schema)) return 1;
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return 4;
    case 'object': {
      let size = 2;
      for (const name of new Set(schema.required ?? [])) {
        const property = schema.properties?.[name];
        if (property && property.default === undefined) size += name.length + serializedSizeMin(property) + 4;
      }
      return size;
    }
    default:
      return 2;
  }
}

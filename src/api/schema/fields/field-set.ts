/**
 * Sets of fields, as in `metadata.managedFields` (FieldsV1): objects whose keys are path elements, `f:name`,
 * `k:{"name":"c"}`, `v:"x"`. An empty object is a member of the set; one with children is a member only when it has the
 * key `.` too. Sets are never changed once built, so that they can share parts.
 */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';
import { JsonError, parseJson } from '../body/json.ts';

export interface FieldSet {
  readonly [pathElement: string]: FieldSet;
}

/** One under construction. */
export interface MutableFieldSet {
  [pathElement: string]: FieldSet;
}

export const member: FieldSet = Object.freeze({});
const selfKey = '.';
/** Fewer are put in order when they are written. */
const manyElements = 32;

export function isEmptySet(set: FieldSet | undefined): boolean {
  for (const _ in set) return false;
  return true;
}

function isMember(node: FieldSet): boolean {
  return node[selfKey] !== undefined || isEmptySet(node);
}

/** A node of a set: undefined when it is empty. */
function makeNode(isSelf: boolean, children: FieldSet | undefined): FieldSet | undefined {
  if (!children) return isSelf ? member : undefined;
  return isSelf ? { [selfKey]: member, ...children } : children;
}

/** The node of a value, under construction: the value's own fields are added to it. */
export function startNode(isSelf: boolean): MutableFieldSet {
  return isSelf ? { [selfKey]: member } : {};
}

/** A node to which everything was added: undefined when nothing is a member, neither the value nor what is below it. */
export function finishNode(node: MutableFieldSet): FieldSet | undefined {
  for (const element in node) if (element !== selfKey) return node;
  return node[selfKey];
}

/**
 * Keys in the order in which elements are made of them: where there are many, a set that is built in order need not be
 * built again to be written.
 */
export function inElementOrder(keys: string[]): string[] {
  return keys.length > manyElements ? keys.sort() : keys;
}

/** The set below an element; undefined when there is none. */
export function below(set: FieldSet | undefined, element: string): FieldSet | undefined {
  const node = set?.[element];
  return node === undefined || isEmptySet(node) ? undefined : node;
}

export function hasMember(set: FieldSet | undefined, element: string): boolean {
  const node = set?.[element];
  return node !== undefined && isMember(node);
}

/** `left` itself when it has everything already. */
export function union(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (!left || left === right) return right;
  if (!right || includes(left, right)) return left;
  const out: MutableFieldSet = {};
  for (const element in left) {
    if (element === selfKey) continue;
    const other = right[element];
    out[element] = other === undefined ? left[element]! : unionNodes(left[element]!, other);
  }
  for (const element in right) {
    if (element !== selfKey && left[element] === undefined) out[element] = right[element]!;
  }
  return isEmptySet(out) ? undefined : out;
}

/** Of many sets: by halves, as one after the other would copy what there is already for each. */
export function unionOf(sets: readonly FieldSet[]): FieldSet | undefined {
  if (sets.length <= 2) return union(sets[0], sets[1]);
  const half = sets.length >> 1;
  return union(unionOf(sets.slice(0, half)), unionOf(sets.slice(half)));
}

function unionNodes(left: FieldSet, right: FieldSet): FieldSet {
  if (left === right) return left;
  const children = isEmptySet(left)
    ? childrenOf(right)
    : isEmptySet(right)
      ? childrenOf(left)
      : union(left, right);
  return makeNode(isMember(left) || isMember(right), children)!;
}

function childrenOf(node: FieldSet): FieldSet | undefined {
  const { [selfKey]: _, ...children } = node;
  return isEmptySet(children) ? undefined : children;
}

/** Whether every member of `right` is one of `left`. */
function includes(left: FieldSet, right: FieldSet): boolean {
  for (const element in right) {
    if (element === selfKey) continue;
    const node = left[element];
    const other = right[element]!;
    if (node === undefined) return false;
    if (node !== other && ((isMember(other) && !isMember(node)) || !includes(node, other))) return false;
  }
  return true;
}

/** The members of `left` that are not members of `right`: `left` itself when these are all. */
export function difference(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (!left || !right) return left;
  for (const element in right)
    if (element !== selfKey && left[element] !== undefined) return differenceBelow(left, right);
  return left;
}

function differenceBelow(left: FieldSet, right: FieldSet): FieldSet | undefined {
  const out: MutableFieldSet = {};
  for (const element in left) {
    if (element === selfKey) continue;
    const node = left[element]!;
    const other = right[element];
    const kept =
      other === undefined ? node : makeNode(isMember(node) && !isMember(other), differenceBelow(node, other));
    if (kept) out[element] = kept;
  }
  return isEmptySet(out) ? undefined : out;
}

/** Like {@link difference}; a member of `right` removes everything below it, too. */
export function recursiveDifference(
  left: FieldSet | undefined,
  right: FieldSet | undefined,
): FieldSet | undefined {
  if (!left || !right) return left;
  const out: MutableFieldSet = {};
  for (const element in left) {
    if (element === selfKey) continue;
    const node = left[element]!;
    const other = right[element];
    if (other === undefined) out[element] = node;
    else if (!isMember(other)) {
      const kept = makeNode(isMember(node), recursiveDifference(childrenOf(node), other));
      if (kept) out[element] = kept;
    }
  }
  return isEmptySet(out) ? undefined : out;
}

export function intersection(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (!left || !right) return undefined;
  const out: MutableFieldSet = {};
  for (const element in left) {
    if (element === selfKey) continue;
    const other = right[element];
    if (other === undefined) continue;
    const node = left[element]!;
    const kept = makeNode(isMember(node) && isMember(other), intersection(node, other));
    if (kept) out[element] = kept;
  }
  return isEmptySet(out) ? undefined : out;
}

/** Names of path elements, of any of several paths; `*` stands for any element. Empty: the end of a path. */
export interface PathPattern {
  readonly [name: string]: PathPattern;
}

export function patternOf(paths: readonly (readonly string[])[]): PathPattern {
  interface Growing {
    [name: string]: Growing;
  }
  const pattern: Growing = {};
  for (const path of paths) {
    let node = pattern;
    for (const name of path) {
      node[name] ??= {};
      node = node[name];
    }
  }
  return pattern;
}

/** The members that lie on one of the paths, or below its end. */
export function matchingFields(set: FieldSet | undefined, pattern: PathPattern): FieldSet | undefined {
  if (!set) return undefined;
  const out: MutableFieldSet = {};
  for (const element in set) {
    if (element === selfKey) continue;
    const name = element.slice(2);
    const next = Object.hasOwn(pattern, name) ? pattern[name] : pattern['*'];
    if (!next) continue;
    const node = set[element]!;
    const kept = isEmptySet(next) ? node : makeNode(isMember(node), matchingFields(node, next));
    if (kept) out[element] = kept;
  }
  return isEmptySet(out) ? undefined : out;
}

/** The set of one path such as `['f:metadata', 'f:name']`, or of several. */
export function setOf(...paths: readonly (readonly string[])[]): FieldSet | undefined {
  let set: FieldSet | undefined;
  for (const path of paths) {
    let node: FieldSet = member;
    for (const element of path.toReversed()) node = { [element]: node };
    set = union(set, node);
  }
  return set;
}

/** All members as paths of elements. */
export function* pathsOf(set: FieldSet | undefined, prefix: readonly string[] = []): Generator<string[]> {
  if (!set) return;
  const elements = Object.keys(set).filter((element) => element !== selfKey);
  for (const element of elements) if (isMember(set[element]!)) yield [...prefix, element];
  for (const element of elements) {
    if (!isEmptySet(set[element])) yield* pathsOf(set[element], [...prefix, element]);
  }
}

/** `.spec.containers[name="c"].image`, as conflicts name fields. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const content = element.slice(2);
  switch (element.slice(0, 2)) {
    case 'f:':
      return `.${content}`;
    case 'k:': {
      const keys = parseExactJson(content) as JsonObject;
      return `[${Object.keys(keys)
        .map((key) => `${key}=${JSON.stringify(keys[key])}`)
        .join(',')}]`;
    }
    case 'v:':
      return `[=${content}]`;
    default:
      return `[${content}]`;
  }
}

/**
 * With its elements in upstream's order, frozen, ready to be written: `set` itself when it has that order. What is frozen
 * was in order then.
 */
export function sortSet(set: FieldSet): FieldSet {
  if (Object.isFrozen(set)) return set;
  let last = '';
  let isInOrder = true;
  const sorted = new Map<string, FieldSet>();
  for (const element in set) {
    if (element < last) isInOrder = false;
    last = element;
    const node = set[element]!;
    const inner = node === member ? member : sortSet(node);
    if (inner !== node) sorted.set(element, inner);
  }
  if (isInOrder && sorted.size === 0) return Object.freeze(set);
  const out: MutableFieldSet = {};
  const elements = Object.keys(set);
  for (const element of isInOrder ? elements : elements.sort())
    out[element] = sorted.get(element) ?? set[element]!;
  return Object.freeze(out);
}

/** Whether it has more than `limit` elements, all depths together; also of what a client sent for a set. */
export function hasMoreElements(set: object | undefined, limit: number): boolean {
  return countElements(set, limit) > limit;
}

/** Stops counting beyond the limit. */
function countElements(set: object | undefined, limit: number): number {
  let count = 0;
  for (const element in set) {
    const node: unknown = (set as Record<string, unknown>)[element];
    const isInner = typeof node === 'object' && node !== null && node !== member;
    count += 1 + (isInner ? countElements(node, limit - count) : 0);
    if (count > limit) break;
  }
  return count;
}

export class FieldSetError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FieldSetError';
  }
}

const fieldSetDepthMax = 200;

/**
 * Checks a `fieldsV1` that came from outside and brings its elements into their one form.
 * @throws {FieldSetError}
 */
export function readFieldSet(value: unknown, depth = 0): FieldSet {
  if (!isJsonObject(value)) throw new FieldSetError('a set of fields is an object');
  if (depth > fieldSetDepthMax) throw new FieldSetError('a set of fields nests too deep');
  const out: MutableFieldSet = {};
  for (const key of Object.keys(value)) {
    const element = key === selfKey ? key : readElement(key);
    if (element !== undefined) out[element] = readFieldSet(value[key], depth + 1);
  }
  return isEmptySet(out) ? member : out;
}

/** An element of one key, in the one form that such elements have. */
const plainKeyElement = /^k:\{"[^"\\\p{Cc}]+":"[^"\\\p{Cc}]*"\}$/u;

/** Undefined for a kind of element that does not exist: upstream skips those. */
function readElement(key: string): string | undefined {
  if (plainKeyElement.test(key)) return key;
  if (key.length < 2) throw new FieldSetError('key must be 2 characters long:');
  if (key[1] !== ':') throw new FieldSetError(`missing colon: ${key}`);
  const content = key.slice(2);
  switch (key[0]) {
    case 'f':
      return key;
    case 'v':
      return `v:${JSON.stringify(parseElement(content))}`;
    case 'k': {
      const keys = parseElement(content);
      if (!isJsonObject(keys)) throw new FieldSetError(`not an object: ${content}`);
      return keyElement(Object.entries(keys));
    }
    case 'i':
      if (!/^-?\d{1,15}$/.test(content)) throw new FieldSetError(`not an index: ${content}`);
      return key;
    default:
      return undefined;
  }
}

function parseElement(content: string): unknown {
  try {
    return parseJson(content).value;
  } catch (cause) {
    if (cause instanceof JsonError) throw new FieldSetError(`parsing key as path element: ${content}`);
    throw cause;
  }
}

/** `k:{"containerPort":80,"protocol":"TCP"}`: the keys in order. */
export function keyElement(keys: [string, unknown][]): string {
  keys.sort(([left], [right]) => (left < right ? -1 : 1));
  const parts = keys.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return `k:{${parts.join(',')}}`;
}

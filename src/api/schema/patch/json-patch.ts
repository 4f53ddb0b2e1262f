/**
 * JSON patches, RFC 6902, with the leniencies of upstream's library (negative indexes, a missing value is null, what is
 * replaced or copied in an object need not be there) and its words.
 */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { type NumberLiterals, pathOfPlace, placeOf } from '../body/number-literals.ts';
import { nestingDepthMax, setKey } from '../decode.ts';
import { cloneJson, equalJson, ownValue } from '../json-value.ts';
import { ListEdits } from './list-edits.ts';

export interface JsonPatchOperation {
  op: string;
  path: string;
  from?: string;
  value?: unknown;
}

/** The patch is well-formed but does not fit the document; of the API's own patches upstream shows no message, of webhooks' it does. */
export class JsonPatchError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'JsonPatchError';
  }
}

/** A `test` operation found another value. */
export class JsonPatchTestError extends JsonPatchError {}

export const operationsMax = 10_000;
/** What all copy operations of one patch may add together, as JSON: a patch must not grow an object without limit. */
const copiedBytesMax = 3 * 1024 * 1024;

/**
 * A new document; `document` is not changed. Its fields that no operation names are shared. `literals`: numbers of the
 * operations that are not written as those of the document are. @throws {JsonPatchError}
 */
export function applyJsonPatch(
  document: unknown,
  operations: readonly JsonPatchOperation[],
  literals?: NumberLiterals,
): unknown {
  const patched = new PatchedDocument(ownDocument(document, operations));
  const unequal = literals && operationsWith(literals);
  for (const [index, operation] of operations.entries()) {
    patched.apply(operation);
    // Texts are compared: 1.0 is not 1.
    if (operation.op === 'test' && unequal?.has(index)) throw failedTest(operation.path);
  }
  return patched.finish();
}

function operationsWith(literals: NumberLiterals): Set<unknown> {
  return new Set([...literals.keys()].map((place) => pathOfPlace(place)[0]));
}

/** The numbers that operations set, by their place in the patched document; none at the end of a list. */
export function literalsSetBy(
  operations: readonly JsonPatchOperation[],
  literals: NumberLiterals,
): NumberLiterals {
  const out = new Map<string, string>();
  for (const [place, literal] of literals) {
    const [index, field, ...within] = pathOfPlace(place);
    const { path } = operations[Number(index)] ?? {};
    if (field !== 'value' || typeof path !== 'string') continue;
    const keys = path.split('/').slice(1).map(unescapeToken);
    out.set(placeOf([...keys.map((key) => (isInteger.test(key) ? Number(key) : key)), ...within]), literal);
  }
  return out;
}

function failedTest(path: string): JsonPatchTestError {
  return new JsonPatchTestError(`testing value ${path} failed: test failed`);
}

/** With copies of the fields that some operation names, or is below. */
function ownDocument(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  if (!isJsonObject(document)) return cloneJson(document);
  const named = new Set<string>();
  for (const { path, from } of operations)
    for (const pointer of [path, from]) {
      // Faulty pointers are refused when their turn comes, and only reads are about the whole document.
      const [, field] = typeof pointer === 'string' ? pointer.split('/', 2) : [];
      if (field !== undefined) named.add(unescapeToken(field));
    }
  const own: JsonObject = {};
  for (const key in document) setKey(own, key, named.has(key) ? cloneJson(document[key]) : document[key]);
  return own;
}

/** What a path leads to: the last of its keys, and what may have it. */
interface Place {
  container: JsonObject | unknown[];
  key: string;
}

class PatchedDocument {
  /** Changed in place. */
  #root: unknown;
  readonly #lists = new ListEdits();
  #copiedBytes = 0;

  constructor(document: unknown) {
    this.#root = document;
  }

  finish(): unknown {
    this.#lists.settle(this.#root);
    // Even values within the limit can be nested deeply, and readers of the stored object recurse into them.
    checkDepth(this.#root);
    return this.#root;
  }

  apply(operation: JsonPatchOperation): void {
    const { op } = operation;
    switch (op) {
      case 'add':
        this.#add(pathOf(operation), cloneJson(operation.value ?? null));
        break;
      case 'remove':
        this.#remove(pathOf(operation));
        break;
      case 'replace':
        this.#replace(pathOf(operation), cloneJson(operation.value ?? null));
        break;
      case 'move':
        this.#move(fromOf(operation), operation);
        break;
      case 'copy':
        this.#copy(fromOf(operation), operation);
        break;
      case 'test':
        this.#test(pathOf(operation), operation.value ?? null);
        break;
      default:
        throw new JsonPatchError(`Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`);
    }
  }

  #add(path: string, value: unknown): void {
    const place = this.#find(path);
    if (!place) throw missing(`add operation does not apply: doc is missing path: "${path}"`);
    explained(`error in add for path: '${path}'`, () => this.#addAt(place, value));
  }

  #remove(path: string): void {
    const place = this.#find(path);
    if (!place) throw missing(`remove operation does not apply: doc is missing path: "${path}"`);
    explained(`error in remove for path: '${path}'`, () => this.#removeAt(place));
  }

  #replace(path: string, value: unknown): void {
    if (path === '') {
      if (typeof value !== 'object' || value === null)
        throw new JsonPatchError('replace operation value must be object or array: %!w(<nil>)');
      this.#root = value;
      return;
    }
    const place = this.#find(path);
    if (!place) throw missing(`replace operation does not apply: doc is missing path: ${path}`);
    const { container, key } = place;
    if (!Array.isArray(container)) {
      setKey(container, key, value);
      return;
    }
    const index = indexOf(key);
    const at = index === undefined ? undefined : this.#placeIn(container, index);
    if (at === undefined) throw missing(`replace operation does not apply: doc is missing key: ${path}`);
    this.#lists.set(container, at, value);
  }

  #move(from: string, operation: JsonPatchOperation): void {
    const source = this.#find(from);
    if (!source) throw missing(`move operation does not apply: doc is missing from path: ${from}`);
    const value = explained(`error in move for path: '${source.key}'`, () => {
      const moved = this.#valueAt(source) ?? null;
      this.#removeAt(source);
      return moved;
    });
    const path = pathOf(operation);
    const place = this.#find(path);
    if (!place) throw missing(`move operation does not apply: doc is missing destination path: ${path}`);
    explained(`error in move for path: '${path}'`, () => this.#addAt(place, value));
  }

  /** What is absent in an object is copied as null. */
  #copy(from: string, operation: JsonPatchOperation): void {
    const source = this.#find(from);
    if (!source) throw missing(`copy operation does not apply: doc is missing from path: ${from}`);
    const value = explained(`error in copy for from: '${from}'`, () => this.#valueAt(source)) ?? null;
    const path = pathOf(operation);
    const place = this.#find(path);
    if (!place) throw missing(`copy operation does not apply: doc is missing destination path: ${path}`);
    this.#lists.settle(value);
    this.#pay(value);
    explained('error while adding value during copy', () => this.#addAt(place, cloneJson(value)));
  }

  #pay(copied: unknown): void {
    checkDepth(copied);
    this.#copiedBytes += Buffer.byteLength(JSON.stringify(copied));
    if (this.#copiedBytes > copiedBytesMax)
      throw new JsonPatchError(
        `Unable to complete the copy, the accumulated size increase of copy is ${this.#copiedBytes}, exceeding the limit ${copiedBytesMax}`,
      );
  }

  #test(path: string, wanted: unknown): void {
    const found = path === '' ? this.#root : this.#tested(path);
    this.#lists.settle(found);
    if (!equalJson(found ?? null, wanted)) throw failedTest(path);
  }

  #tested(path: string): unknown {
    const place = this.#find(path);
    if (!place) throw missing(`test operation does not apply: is missing path: ${path}`);
    return explained(`error in test for path: '${path}'`, () => this.#valueAt(place));
  }

  /** Undefined when nothing can have the path's last key. What stands before the first slash is of no account. */
  #find(path: string): Place | undefined {
    const keys = path.split('/').slice(1).map(unescapeToken);
    const key = keys.pop();
    if (key === undefined) return undefined;
    let container = this.#root;
    for (const step of keys) container = this.#childOf(container, step);
    return Array.isArray(container) || isJsonObject(container) ? { container, key } : undefined;
  }

  #childOf(container: unknown, key: string): unknown {
    if (!Array.isArray(container)) return isJsonObject(container) ? ownValue(container, key) : undefined;
    const index = indexOf(key);
    const at = index === undefined ? undefined : this.#placeIn(container, index);
    return at === undefined ? undefined : this.#lists.at(container, at);
  }

  /** Undefined when an object does not have it. @throws {JsonPatchError} when it is no index of a list */
  #valueAt({ container, key }: Place): unknown {
    if (!Array.isArray(container)) return ownValue(container, key);
    return this.#lists.at(container, this.#existingIndex(container, key));
  }

  #addAt({ container, key }: Place, value: unknown): void {
    if (!Array.isArray(container)) {
      setKey(container, key, value);
      return;
    }
    const length = this.#lists.lengthOf(container);
    const index =
      key === '-' ? length : explained(`value was not a proper array index: '${key}'`, () => parseIndex(key));
    const at = index < 0 ? index + length + 1 : index;
    if (at < 0 || at > length) throw invalidIndex(index);
    this.#lists.insert(container, at, value);
  }

  #removeAt({ container, key }: Place): void {
    if (Array.isArray(container)) this.#lists.remove(container, this.#existingIndex(container, key));
    else if (Object.hasOwn(container, key)) delete container[key];
    else throw missing(`Unable to remove nonexistent key: ${key}`);
  }

  #existingIndex(list: unknown[], key: string): number {
    const index = parseIndex(key);
    const at = this.#placeIn(list, index);
    if (at === undefined) throw invalidIndex(index);
    return at;
  }

  /** From the start of the list, where a negative index counts from its end; undefined when there is no such item. */
  #placeIn(list: unknown[], index: number): number | undefined {
    const length = this.#lists.lengthOf(list);
    const at = index < 0 ? index + length : index;
    return at >= 0 && at < length ? at : undefined;
  }
}

function missing(message: string): JsonPatchError {
  return new JsonPatchError(`${message}: missing value`);
}

function invalidIndex(index: number): JsonPatchError {
  return new JsonPatchError(`Unable to access invalid index: ${index}: invalid index referenced`);
}

/** Work whose failure is told as part of another. */
function explained<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof JsonPatchError) throw new JsonPatchError(`${what}: ${error.message}`);
    throw error;
  }
}

function pathOf({ op, path }: JsonPatchOperation): string {
  if (typeof path === 'string') return path;
  const what = `${op} operation failed to decode path`;
  throw missing(namingThePath.has(op) ? `${what}: operation missing path field` : what);
}

/** Operations that say what is wrong with their path. */
const namingThePath: ReadonlySet<string> = new Set(['replace', 'move', 'test']);

function fromOf({ op, from }: JsonPatchOperation): string {
  if (typeof from === 'string') return from;
  throw missing(`${op} operation failed to decode from: operation, missing from field`);
}

function unescapeToken(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** @throws {JsonPatchError} in the words of Go's strconv */
function parseIndex(key: string): number {
  const index = indexOf(key);
  if (index !== undefined) return index;
  const why = isInteger.test(key) ? 'value out of range' : 'invalid syntax';
  throw new JsonPatchError(`strconv.Atoi: parsing ${JSON.stringify(key)}: ${why}`);
}

const isInteger = /^[+-]?\d+$/;

function indexOf(key: string): number | undefined {
  if (!isInteger.test(key)) return undefined;
  const index = Number(key);
  // Go counts in 64 bits; no list is that long.
  return Math.abs(index) < 2 ** 63 ? index : undefined;
}

/** @throws {JsonPatchError} when they nest too deep */
function checkDepth(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > nestingDepthMax) throw new JsonPatchError('the document nests too deep');
  for (const key in value) checkDepth((value as JsonObject)[key], depth + 1);
}

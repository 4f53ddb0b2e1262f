/**
 * JSON patches, RFC 6902, with the leniencies of upstream's library (negative indexes, a missing value is null, what is
 * replaced in an object need not be there).
 */
import { isObject, type JsonObject, nestingDepthMax, setKey } from '../decode.ts';
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

/** Nothing can hold what a pointer names. */
class MissingParentError extends JsonPatchError {}

/** What upstream's library says of a path whose parent is missing, by operation. */
const missingParent: Readonly<Record<string, (path: string) => string>> = {
  add: (path) => `doc is missing path: "${path}"`,
  remove: (path) => `doc is missing path: "${path}"`,
  replace: (path) => `doc is missing path: ${path}`,
  test: (path) => `is missing path: ${path}`,
  'move from': (path) => `doc is missing from path: ${path}`,
  'move to': (path) => `doc is missing destination path: ${path}`,
  'copy from': (path) => `doc is missing from path: ${path}`,
  'copy to': (path) => `doc is missing destination path: ${path}`,
};

/** A `test` operation found another value. */
export class JsonPatchTestError extends JsonPatchError {}

export const operationsMax = 10_000;
/** How many values all copy operations of one patch may add together: a patch must not grow an object without limit. */
const copiedValuesMax = 500_000;

/**
 * A new document; `document` is not changed. Its fields that no operation names are shared. @throws {JsonPatchError}
 */
export function applyJsonPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  const patched = new PatchedDocument(ownDocument(document, operations));
  for (const operation of operations) patched.apply(operation);
  return patched.finish();
}

/** With copies of the fields that some operation names, or is below. */
function ownDocument(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  if (!isObject(document)) return cloneJson(document);
  const named = new Set<string>();
  for (const { path, from } of operations)
    for (const pointer of [path, from]) {
      // Faulty pointers are refused when their turn comes.
      if (typeof pointer !== 'string') continue;
      const [, field] = pointer.split('/', 2);
      // The whole document.
      if (field === undefined) return cloneJson(document);
      named.add(unescapeToken(field));
    }
  const own: JsonObject = {};
  for (const key in document) setKey(own, key, named.has(key) ? cloneJson(document[key]) : document[key]);
  return own;
}

class PatchedDocument {
  /** Changed in place. */
  readonly #holder: JsonObject;
  readonly #lists = new ListEdits();
  #copied = 0;

  constructor(document: unknown) {
    this.#holder = { root: document };
  }

  finish(): unknown {
    const { root } = this.#holder;
    this.#lists.settle(root);
    // Even values within the limit can be nested deeply, and readers of the stored object recurse into them.
    countValues(root);
    return root;
  }

  apply(operation: JsonPatchOperation): void {
    const { op, path, from = '', value = null } = operation;
    const pointer = parsePointer(path);
    switch (op) {
      case 'add':
        worded(op, path, () => this.#add(pointer, cloneJson(value)));
        break;
      case 'remove':
        worded(op, path, () => this.#remove(pointer));
        break;
      case 'replace':
        worded(op, path, () => this.#replace(pointer, cloneJson(value)));
        break;
      case 'move': {
        const moved = worded('move from', from, () => this.#remove(parsePointer(operation.from)));
        worded('move to', path, () => this.#add(pointer, moved));
        break;
      }
      case 'copy': {
        const copied = worded('copy from', from, () => this.#copyOf(parsePointer(operation.from)));
        worded('copy to', path, () => this.#add(pointer, copied));
        break;
      }
      case 'test':
        worded(op, path, () => this.#test(pointer, operation));
        break;
      default:
        throw new JsonPatchError(`Unexpected kind: ${op}`);
    }
  }

  /** The container that holds the last key of the pointer. */
  #parentOf(pointer: string[]): JsonObject | unknown[] {
    let at: unknown = this.#holder;
    for (const key of pointer.slice(0, -1)) at = this.#hasChild(at, key) ? this.#child(at, key) : undefined;
    if (Array.isArray(at) || isObject(at)) return at;
    throw new MissingParentError(`nothing holds "${pointer.join('/')}"`);
  }

  #child(container: unknown, key: string): unknown {
    if (Array.isArray(container)) return this.#lists.at(container, this.#existingIndex(container, key));
    if (isObject(container) && Object.hasOwn(container, key)) return container[key];
    throw new JsonPatchError(`Unable to remove nonexistent key: ${key}: missing value`);
  }

  #hasChild(container: unknown, key: string): boolean {
    if (!Array.isArray(container)) return isObject(container) && Object.hasOwn(container, key);
    const index = indexIn(key);
    return index !== undefined && this.#placeOf(container, index) !== undefined;
  }

  #add(pointer: string[], value: unknown): void {
    const parent = this.#parentOf(pointer);
    const key = pointer.at(-1)!;
    if (!Array.isArray(parent)) {
      setKey(parent, key, value);
      return;
    }
    const length = this.#lists.lengthOf(parent);
    const index = key === '-' ? length : parseIndex(key);
    const at = index < 0 ? index + length + 1 : index;
    if (at < 0 || at > length) throw new JsonPatchError(invalidIndex(index));
    this.#lists.insert(parent, at, value);
  }

  #remove(pointer: string[]): unknown {
    const parent = this.#parentOf(pointer);
    const key = pointer.at(-1)!;
    const value = this.#child(parent, key);
    if (Array.isArray(parent)) this.#lists.remove(parent, this.#existingIndex(parent, key));
    else delete parent[key];
    return value;
  }

  #replace(pointer: string[], value: unknown): void {
    const parent = this.#parentOf(pointer);
    const key = pointer.at(-1)!;
    if (Array.isArray(parent)) this.#lists.set(parent, this.#existingIndex(parent, key), value);
    else setKey(parent, key, value);
  }

  #copyOf(pointer: string[]): unknown {
    const value = this.#child(this.#parentOf(pointer), pointer.at(-1)!);
    this.#lists.settle(value);
    this.#copied += countValues(value);
    if (this.#copied > copiedValuesMax) throw new JsonPatchError('copied values exceed the limit');
    return cloneJson(value);
  }

  #test(pointer: string[], operation: JsonPatchOperation): void {
    const parent = this.#parentOf(pointer);
    const key = pointer.at(-1)!;
    const found = Array.isArray(parent) ? this.#child(parent, key) : ownValue(parent, key);
    this.#lists.settle(found);
    if (!equalJson(found ?? null, operation.value ?? null)) {
      throw new JsonPatchTestError(`testing value ${operation.path} failed: test failed`);
    }
  }

  #existingIndex(list: unknown[], key: string): number {
    const index = parseIndex(key);
    const place = this.#placeOf(list, index);
    if (place === undefined) throw new JsonPatchError(invalidIndex(index));
    return place;
  }

  /** From the start of the list, where a negative index counts from its end; undefined when there is no such item. */
  #placeOf(list: unknown[], index: number): number | undefined {
    const length = this.#lists.lengthOf(list);
    const at = index < 0 ? index + length : index;
    return at >= 0 && at < length ? at : undefined;
  }
}

function invalidIndex(index: number): string {
  return `Unable to access invalid index: ${index}: invalid index referenced`;
}

/** Work on a path; its failures are told in the words of upstream's library. */
function worded<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof JsonPatchError) || error instanceof JsonPatchTestError) throw error;
    const [op] = operation.split(' ');
    if (error instanceof MissingParentError)
      throw new JsonPatchError(
        `${op} operation does not apply: ${missingParent[operation]!(path)}: missing value`,
      );
    throw new JsonPatchError(`error in ${op} for path: '${path}': ${error.message}`);
  }
}

/** Keys from the holder on: every pointer starts at its `root`. */
function parsePointer(pointer: unknown): string[] {
  if (typeof pointer !== 'string') throw new JsonPatchError('operation missing path field');
  if (pointer === '') return ['root'];
  if (!pointer.startsWith('/')) throw new JsonPatchError(`doc is missing path: "${pointer}"`);
  const keys = pointer.split('/').map(unescapeToken);
  keys[0] = 'root';
  return keys;
}

function unescapeToken(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

function parseIndex(key: string): number {
  const index = indexIn(key);
  if (index === undefined) throw new JsonPatchError(`value was not a proper array index: '${key}'`);
  return index;
}

function indexIn(key: string): number | undefined {
  return /^-?(?:0|[1-9]\d{0,9})$/.test(key) ? Number(key) : undefined;
}

/** @throws {JsonPatchError} when they nest too deep */
function countValues(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (depth > nestingDepthMax) throw new JsonPatchError('the document nests too deep');
  let count = 1;
  for (const key in value) count += countValues((value as JsonObject)[key], depth + 1);
  return count;
}

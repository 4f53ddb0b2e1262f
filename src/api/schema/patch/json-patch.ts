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
    const pointer = parsePointer(operation.path);
    switch (operation.op) {
      case 'add':
        this.#add(pointer, cloneJson(operation.value ?? null));
        break;
      case 'remove':
        this.#removeNamed(pointer, operation.path);
        break;
      case 'replace':
        this.#replace(pointer, cloneJson(operation.value ?? null));
        break;
      case 'move':
        this.#add(pointer, this.#remove(parsePointer(operation.from)));
        break;
      case 'copy':
        this.#copy(parsePointer(operation.from), pointer);
        break;
      case 'test':
        this.#test(pointer, operation);
        break;
      default:
        throw new JsonPatchError(`Unexpected kind: ${operation.op}`);
    }
  }

  /** The container that holds the last key of the pointer. */
  #parentOf(pointer: string[]): JsonObject | unknown[] {
    let at: unknown = this.#holder;
    for (const key of pointer.slice(0, -1)) at = this.#child(at, key);
    if (Array.isArray(at) || isObject(at)) return at;
    throw new JsonPatchError(`doc is missing path: "${pointer.join('/')}"`);
  }

  #child(container: unknown, key: string): unknown {
    if (Array.isArray(container)) return this.#lists.at(container, this.#existingIndex(container, key));
    if (isObject(container) && Object.hasOwn(container, key)) return container[key];
    throw new JsonPatchError(`doc is missing key: ${key}`);
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
    if (at < 0 || at > length) throw new JsonPatchError(`Unable to access invalid index: ${index}`);
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

  /** @throws {JsonPatchError} in the words of upstream's library */
  #removeNamed(pointer: string[], path: string): void {
    try {
      this.#remove(pointer);
    } catch (error) {
      if (!(error instanceof JsonPatchError)) throw error;
      throw new JsonPatchError(
        `remove operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`,
      );
    }
  }

  #replace(pointer: string[], value: unknown): void {
    const parent = this.#parentOf(pointer);
    const key = pointer.at(-1)!;
    if (Array.isArray(parent)) this.#lists.set(parent, this.#existingIndex(parent, key), value);
    else setKey(parent, key, value);
  }

  #copy(from: string[], to: string[]): void {
    const value = this.#child(this.#parentOf(from), from.at(-1)!);
    this.#lists.settle(value);
    this.#copied += countValues(value);
    if (this.#copied > copiedValuesMax) throw new JsonPatchError('copied values exceed the limit');
    this.#add(to, cloneJson(value));
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
    const length = this.#lists.lengthOf(list);
    const at = index < 0 ? index + length : index;
    if (at < 0 || at >= length) throw new JsonPatchError(`Unable to access invalid index: ${index}`);
    return at;
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
  if (!/^-?(?:0|[1-9]\d{0,9})$/.test(key)) {
    throw new JsonPatchError(`value was not a proper array index: '${key}'`);
  }
  return Number(key);
}

/** @throws {JsonPatchError} when they nest too deep */
function countValues(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (depth > nestingDepthMax) throw new JsonPatchError('the document nests too deep');
  let count = 1;
  for (const key in value) count += countValues((value as JsonObject)[key], depth + 1);
  return count;
}

/**
 * JSON patches, RFC 6902, with the leniencies of upstream's library (negative indexes, a missing value is null, what is
 * replaced in an object need not be there).
 */
import { isObject, type JsonObject, nestingDepthMax, setKey } from '../decode.ts';
import { cloneJson, equalJson, ownValue } from '../json-value.ts';

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

/** A new document; `document` is not changed. @throws {JsonPatchError} */
export function applyJsonPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  const holder: JsonObject = { root: cloneJson(document) };
  let copied = 0;
  for (const operation of operations) {
    const pointer = parsePointer(operation.path);
    switch (operation.op) {
      case 'add':
        add(holder, pointer, cloneJson(operation.value ?? null));
        break;
      case 'remove':
        removeNamed(holder, pointer, operation.path);
        break;
      case 'replace':
        replace(holder, pointer, cloneJson(operation.value ?? null));
        break;
      case 'move':
        add(holder, pointer, remove(holder, parsePointer(operation.from)));
        break;
      case 'copy': {
        const value = get(holder, parsePointer(operation.from));
        copied += countValues(value);
        if (copied > copiedValuesMax) throw new JsonPatchError('copied values exceed the limit');
        add(holder, pointer, cloneJson(value));
        break;
      }
      case 'test':
        test(holder, pointer, operation);
        break;
      default:
        throw new JsonPatchError(`Unexpected kind: ${operation.op}`);
    }
  }
  // Even values within the limit can be nested deeply, and readers of the stored object recurse into them.
  countValues(holder.root);
  return holder.root;
}

/** Keys from the holder on: every pointer starts at its `root`. */
function parsePointer(pointer: unknown): string[] {
  if (typeof pointer !== 'string') throw new JsonPatchError('operation missing path field');
  if (pointer === '') return ['root'];
  if (!pointer.startsWith('/')) throw new JsonPatchError(`doc is missing path: "${pointer}"`);
  const keys = pointer.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  keys[0] = 'root';
  return keys;
}

/** The container that holds the last key of the pointer. */
function parentOf(holder: JsonObject, pointer: string[]): JsonObject | unknown[] {
  let at: unknown = holder;
  for (const key of pointer.slice(0, -1)) at = child(at, key);
  if (Array.isArray(at) || isObject(at)) return at;
  throw new JsonPatchError(`doc is missing path: "${pointer.join('/')}"`);
}

function child(container: unknown, key: string): unknown {
  if (Array.isArray(container)) return container[existingIndex(container, key)];
  if (isObject(container) && Object.hasOwn(container, key)) return container[key];
  throw new JsonPatchError(`doc is missing key: ${key}`);
}

function get(holder: JsonObject, pointer: string[]): unknown {
  return child(parentOf(holder, pointer), pointer.at(-1)!);
}

function add(holder: JsonObject, pointer: string[], value: unknown): void {
  const parent = parentOf(holder, pointer);
  const key = pointer.at(-1)!;
  if (!Array.isArray(parent)) {
    setKey(parent, key, value);
    return;
  }
  if (key === '-') {
    parent.push(value);
    return;
  }
  const index = parseIndex(key);
  const at = index < 0 ? index + parent.length + 1 : index;
  if (at < 0 || at > parent.length) throw new JsonPatchError(`Unable to access invalid index: ${index}`);
  parent.splice(at, 0, value);
}

function remove(holder: JsonObject, pointer: string[]): unknown {
  const parent = parentOf(holder, pointer);
  const key = pointer.at(-1)!;
  const value = child(parent, key);
  if (Array.isArray(parent)) parent.splice(existingIndex(parent, key), 1);
  else delete parent[key];
  return value;
}

/** @throws {JsonPatchError} in the words of upstream's library */
function removeNamed(holder: JsonObject, pointer: string[], path: string): void {
  try {
    remove(holder, pointer);
  } catch (error) {
    if (!(error instanceof JsonPatchError)) throw error;
    throw new JsonPatchError(
      `remove operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`,
    );
  }
}

function replace(holder: JsonObject, pointer: string[], value: unknown): void {
  const parent = parentOf(holder, pointer);
  const key = pointer.at(-1)!;
  if (Array.isArray(parent)) parent[existingIndex(parent, key)] = value;
  else setKey(parent, key, value);
}

function test(holder: JsonObject, pointer: string[], operation: JsonPatchOperation): void {
  const parent = parentOf(holder, pointer);
  const key = pointer.at(-1)!;
  const found = Array.isArray(parent) ? child(parent, key) : ownValue(parent, key);
  if (!equalJson(found ?? null, operation.value ?? null)) {
    throw new JsonPatchTestError(`testing value ${operation.path} failed: test failed`);
  }
}

function parseIndex(key: string): number {
  if (!/^-?(?:0|[1-9]\d{0,9})$/.test(key)) {
    throw new JsonPatchError(`value was not a proper array index: '${key}'`);
  }
  return Number(key);
}

function existingIndex(list: unknown[], key: string): number {
  const index = parseIndex(key);
  const at = index < 0 ? index + list.length : index;
  if (at < 0 || at >= list.length) throw new JsonPatchError(`Unable to access invalid index: ${index}`);
  return at;
}

/** @throws {JsonPatchError} when they nest too deep */
function countValues(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (depth > nestingDepthMax) throw new JsonPatchError('the document nests too deep');
  let count = 1;
  for (const key in value) count += countValues((value as JsonObject)[key], depth + 1);
  return count;
}

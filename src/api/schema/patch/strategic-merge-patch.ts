/**
 * Strategic merge patches: merge patches that know from the schema which lists are merged, and by which key, with
 * the directives `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { badRequest, StatusError } from '../../status.ts';
import { setKey } from '../decode.ts';
import { cloneJson, goText, ownValue } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';

const directiveKey = '$patch';
const retainKeysKey = '$retainKeys';
const deletionPrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

const badRetainKeys = 'invalid patch format of retainKeys';
const badPrimitiveList = 'invalid patch format of primitive list';

/**
 * A new document; neither argument is changed. Fields of the root that the patch does not name are shared with
 * `document`. @throws {StatusError} 400
 */
export function applyStrategicMergePatch(
  document: JsonObject,
  patch: JsonObject,
  node: SchemaNode,
): JsonObject {
  const named = new Set(Object.keys(patch).map(fieldNamedBy));
  const original: JsonObject = {};
  for (const key of Object.keys(document))
    setKey(original, key, named.has(key) ? cloneJson(document[key]) : document[key]);
  return mergeObjects(original, cloneJson(patch), node);
}

/** The field that a key of a patch is about, be it a directive. */
function fieldNamedBy(key: string): string {
  for (const prefix of [deletionPrefix, orderPrefix])
    if (key.startsWith(prefix)) return key.slice(prefix.length);
  return key;
}

/** How a list or an object of a field is merged. */
interface FieldMerge {
  node: SchemaNode | undefined;
  merge: boolean;
  replace: boolean;
  mergeKey: string | undefined;
}

function fieldMerge(node: SchemaNode | undefined, key: string): FieldMerge {
  const field = node?.fields?.get(key);
  if (field) {
    return {
      node: field.node,
      merge: field.patchMerge,
      replace: field.patchReplace,
      mergeKey: field.patchMergeKey,
    };
  }
  const element = node?.type === 'map' ? node.element : undefined;
  return { node: element, merge: false, replace: false, mergeKey: undefined };
}

/** Merges into `original`, using up `patch`. */
function mergeObjects(original: JsonObject, patch: JsonObject, node: SchemaNode | undefined): JsonObject {
  if (Object.hasOwn(patch, directiveKey)) return replaceOrDelete(patch);
  applyRetainKeys(original, patch);
  applyElementOrders(original, patch, node);
  for (const patchKey of Object.keys(patch)) {
    const deletesItems = patchKey.startsWith(deletionPrefix);
    const key = deletesItems ? patchKey.slice(deletionPrefix.length) : patchKey;
    const given = patch[patchKey];
    if (given === null) {
      delete original[key];
      continue;
    }
    const current = ownValue(original, key);
    if (deletesItems) {
      if (!Array.isArray(given)) throw badRequest(badPrimitiveList);
      // In a list that is replaced as a whole, the directive's list takes its place: upstream's recorded behaviour, odd
      // as it is.
      if (Array.isArray(current)) {
        original[key] = fieldMerge(node, key).merge ? deleteItems(current, given) : given;
      }
    } else if (Array.isArray(current) && Array.isArray(given)) {
      setKey(original, key, mergeLists(current, given, fieldMerge(node, key)));
    } else if (isJsonObject(current) && isJsonObject(given)) {
      const merge = fieldMerge(node, key);
      setKey(original, key, merge.replace ? given : mergeObjects(current, given, merge.node));
    } else {
      const value = withoutDirectives(dropNulls(given));
      if (value === undefined) delete original[key];
      else setKey(original, key, value);
    }
  }
  return original;
}

function replaceOrDelete(patch: JsonObject): JsonObject {
  const directive = patch[directiveKey];
  if (directive === 'delete') return {};
  if (directive !== 'replace') throw badDirective(patch);
  delete patch[directiveKey];
  return patch;
}

function badDirective(patch: JsonObject) {
  return cannotMerge(`unknown patch type: ${goText(patch[directiveKey])} in map: ${goText(patch)}`);
}

/** Of a new value, nulls say nothing. */
function dropNulls(value: unknown): unknown {
  if (Array.isArray(value)) for (const item of value) dropNulls(item);
  else if (isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      if (value[key] === null) delete value[key];
      else dropNulls(value[key]);
    }
  }
  return value;
}

/** In a new value, objects with a `$patch` are dropped; undefined when the value itself is one. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, directiveKey)) return undefined;
  for (const key of Object.keys(value)) {
    const kept = withoutDirectives(value[key]);
    if (kept === undefined) delete value[key];
    else setKey(value, key, kept);
  }
  return value;
}

function applyRetainKeys(original: JsonObject, patch: JsonObject): void {
  if (!Object.hasOwn(patch, retainKeysKey)) return;
  const list = patch[retainKeysKey];
  delete patch[retainKeysKey];
  if (!Array.isArray(list)) throw badRequest(badRetainKeys);
  const retained = new Set<unknown>(list);
  for (const [key, value] of Object.entries(patch)) {
    const isDirective = key.startsWith(deletionPrefix) || key.startsWith(orderPrefix);
    if (value !== null && !isDirective && !retained.has(key)) throw badRequest(badRetainKeys);
  }
  for (const key of Object.keys(original)) if (!retained.has(key)) delete original[key];
}

/** Merges every list that has a `$setElementOrder/…`, and takes both out of the patch. */
function applyElementOrders(original: JsonObject, patch: JsonObject, node: SchemaNode | undefined): void {
  for (const orderKey of Object.keys(patch)) {
    if (!orderKey.startsWith(orderPrefix)) continue;
    const key = orderKey.slice(orderPrefix.length);
    const order = asList(patch[orderKey]) ?? [];
    delete patch[orderKey];
    const current = asList(ownValue(original, key));
    const given = asList(ownValue(patch, key));
    const merge = fieldMerge(node, key);
    checkOrder(given ?? [], order, merge.mergeKey);
    if (!current && !given) continue;
    let merged: unknown[];
    if (!given) merged = current!;
    else if (!current) merged = withoutDirectives(given) as unknown[];
    else merged = mergeLists([...current], given, merge);
    setKey(original, key, orderItems(merged, order, current ?? [], merge.mergeKey));
    delete patch[key];
  }
}

function asList(value: unknown): unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) {
    const found = isJsonObject(value) ? 'map[string]interface {}' : typeof value;
    throw cannotMerge(`expected a []interface {}, but received a ${found}`);
  }
  return value;
}

/** The items of the patch must come in the order that it states for the whole list. */
function checkOrder(given: unknown[], order: unknown[], mergeKey: string | undefined): void {
  if (given.length === 0 || order.length === 0) return;
  const kept = given.filter((item) => !(isJsonObject(item) && Object.hasOwn(item, directiveKey)));
  let matched = 0;
  for (const item of order) {
    if (matched < kept.length && identityOf(kept[matched], mergeKey) === identityOf(item, mergeKey))
      matched++;
  }
  if (matched < kept.length) {
    throw cannotMerge(
      `The order in patch list:\n${goText(given)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
    );
  }
}

/** The identity of an item: the value of its merge key, or the item itself. */
function identityOf(item: unknown, mergeKey: string | undefined): unknown {
  if (!mergeKey) return item;
  if (!isJsonObject(item)) {
    throw cannotMerge(`expected a map[string]interface {}, but received a ${typeof item}`);
  }
  const identity = ownValue(item, mergeKey);
  if (identity === undefined) {
    throw cannotMerge(`map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
  }
  return identity;
}

function deleteItems(current: unknown[], unwanted: unknown[]): unknown[] {
  const gone = new Set(unwanted);
  return current.filter((item) => !gone.has(item));
}

function mergeLists(current: unknown[], given: unknown[], merge: FieldMerge): unknown[] {
  if (!merge.merge) return given;
  if (current.length === 0 && given.length === 0) return current;
  const itemIsObject = isJsonObject(current[0] ?? given[0]);
  for (const list of [current, given]) {
    for (const item of list) {
      if (Array.isArray(item)) throw cannotMerge('lists of lists are not supported');
      if (isJsonObject(item) !== itemIsObject) {
        throw cannotMerge(`list element types are not identical: ${goText([current, given])}`);
      }
    }
  }
  if (!itemIsObject) return orderItems([...new Set([...current, ...given])], given, current, undefined);
  return mergeObjectLists(current as JsonObject[], given as JsonObject[], merge);
}

function mergeObjectLists(current: JsonObject[], given: JsonObject[], merge: FieldMerge): unknown[] {
  const { mergeKey } = merge;
  if (!mergeKey) throw cannotMerge('cannot merge lists without merge key for struct');
  const { kept, patches, replaces } = splitDirectives(current, given, mergeKey);
  if (replaces) return patches;

  const merged = [...kept];
  const indexes = new Map<unknown, number>();
  for (const [index, item] of merged.entries()) {
    const identity = ownValue(item, mergeKey);
    if (identity !== undefined && !indexes.has(identity)) indexes.set(identity, index);
  }
  for (const patch of patches) {
    const identity = identityOf(patch, mergeKey);
    const index = indexes.get(identity);
    if (index === undefined) {
      indexes.set(identity, merged.length);
      merged.push(withoutDirectives(dropNulls(patch)) as JsonObject);
    } else merged[index] = mergeObjects(merged[index]!, patch, merge.node?.element);
  }
  return orderItems(merged, patches, kept, mergeKey);
}

function splitDirectives(current: JsonObject[], given: JsonObject[], mergeKey: string) {
  const patches: JsonObject[] = [];
  const deleted = new Set<unknown>();
  let replaces = false;
  for (const item of given) {
    if (!Object.hasOwn(item, directiveKey)) patches.push(item);
    else if (item[directiveKey] === 'delete') deleted.add(identityOf(item, mergeKey));
    else if (item[directiveKey] === 'replace') replaces = true;
    else if (item[directiveKey] === 'merge') {
      throw cannotMerge('merging lists cannot yet be specified in the patch');
    } else throw badDirective(item);
  }
  const kept =
    deleted.size === 0 ? current : current.filter((item) => !deleted.has(ownValue(item, mergeKey)));
  return { kept, patches, replaces };
}

/**
 * Items that the patch names come in its order, the others in the order that they had; where both meet, one that the
 * patch does not name comes first only when it came first before.
 */
function orderItems(
  merged: unknown[],
  patchOrder: unknown[],
  serverOrder: unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const patchRank = ranksOf(patchOrder, mergeKey);
  const serverRank = ranksOf(serverOrder, mergeKey);
  const named: unknown[] = [];
  const others: unknown[] = [];
  for (const item of merged) (patchRank.has(identityOf(item, mergeKey)) ? named : others).push(item);
  const byRank = (ranks: Map<unknown, number>) => (left: unknown, right: unknown) =>
    (ranks.get(identityOf(left, mergeKey)) ?? 0) - (ranks.get(identityOf(right, mergeKey)) ?? 0);
  named.sort(byRank(patchRank));
  others.sort(byRank(serverRank));

  const out: unknown[] = [];
  let next = 0;
  for (const item of named) {
    const rank = serverRank.get(identityOf(item, mergeKey));
    while (next < others.length) {
      const otherRank = serverRank.get(identityOf(others[next], mergeKey));
      if (rank === undefined || otherRank === undefined || otherRank >= rank) break;
      out.push(others[next++]);
    }
    out.push(item);
  }
  out.push(...others.slice(next));
  return out;
}

function ranksOf(order: unknown[], mergeKey: string | undefined): Map<unknown, number> {
  const ranks = new Map<unknown, number>();
  for (const [index, item] of order.entries()) {
    const identity = identityOf(item, mergeKey);
    if (!ranks.has(identity)) ranks.set(identity, index);
  }
  return ranks;
}

/** A patch that does not fit the object or its schema; upstream gives no reason. */
function cannotMerge(message: string): StatusError {
  return new StatusError(500, '', message);
}

/**
 * Which fields a manager gains or loses by a create, an update or a patch. Server-side apply, in apply.ts, builds on
 * this.
 */

import { inOneGo } from '../../../base/async/turns.ts';
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import type { ManagedFieldsEntry } from '../../meta.ts';
import { type Decoded, decode } from '../decode.ts';
import { equalJson } from '../json-value.ts';
import { type SchemaNode, schemaNode } from '../schemas.ts';
import {
  compareText,
  noEntries,
  type Ownership,
  type Ownerships,
  ownershipKey,
  readOrForget,
  recallUpdate,
  rememberUpdate,
  sharedElementsMax,
  writeManagedFields,
} from './field-owners.ts';
import {
  difference,
  type FieldSet,
  hasMoreElements,
  intersection,
  isEmptySet,
  setOf,
  union,
  unionOf,
} from './field-set.ts';
import { alignWithSchema } from './schema-changes.ts';
import { type Comparison, compareTyped } from './typed-comparison.ts';
import { TypedValueError } from './typed-value.ts';
import { type WrittenFields, writtenPart } from './written-fields.ts';

/** The part of an object that a request is about; fields that its endpoint does not write get no owner. */
export interface FieldOwnership extends WrittenFields {
  /** Name of the definition, or the tree of a custom resource's schema; undefined: nothing is known of its fields. */
  schema: string | SchemaNode | undefined;
  /** Version of the request; the objects are in this version. */
  apiVersion: string;
  /** '' for the object itself. */
  subresource: string;
  /** The `fieldManager` of the request, or the first part of its user agent. */
  manager: string;
  /** RFC 3339, whole seconds. */
  time: string;
  /**
   * An object, in the version that it says, in another one in which some manager owns fields; undefined when that
   * version is gone. Without it managers of other versions keep what they have.
   */
  convert?(object: JsonObject, apiVersion: string): VersionedObject | undefined;
}

/** An object in some version, and what is known of the fields of that version. */
export interface VersionedObject {
  object: JsonObject;
  schema: FieldOwnership['schema'];
}

/** Beyond this many updaters the oldest are merged. */
const updatersMax = 10;
const oldUpdatesManager = 'ancient-changes';
const unknownManager = 'unknown';

export function nodeOf({ schema }: Pick<FieldOwnership, 'schema'>): SchemaNode | undefined {
  return typeof schema === 'string' ? schemaNode(schema) : schema;
}

const emptyObjects = new WeakMap<SchemaNode, JsonObject>();

/** What a new object is compared with: values that are always present, and have no owner. */
export function emptyObjectOf(node: SchemaNode | undefined): JsonObject {
  if (node?.type !== 'object' || node.structName === undefined) return {};
  let empty = emptyObjects.get(node);
  if (!empty) {
    empty = (decode(node, {}) as Decoded<JsonObject>).object;
    emptyObjects.set(node, empty);
  }
  return empty;
}

/** Fields that every object has, and that have no owner. */
const strippedFields = setOf(
  ['f:apiVersion'],
  ['f:kind'],
  ['f:metadata'],
  ['f:metadata', 'f:name'],
  ['f:metadata', 'f:namespace'],
  ['f:metadata', 'f:creationTimestamp'],
  ['f:metadata', 'f:selfLink'],
  ['f:metadata', 'f:uid'],
  ['f:metadata', 'f:clusterName'],
  ['f:metadata', 'f:generation'],
  ['f:metadata', 'f:managedFields'],
  ['f:metadata', 'f:resourceVersion'],
)!;

export function withoutStrippedFields(set: FieldSet | undefined): FieldSet | undefined {
  return difference(set, strippedFields);
}

/** A comparison without what the endpoint does not write. */
function compareWritten(old: JsonObject, next: JsonObject, ownership: FieldOwnership): Comparison {
  const comparison = compareTyped(old, next, nodeOf(ownership));
  if (!ownership.resetFields && !ownership.onlyFields) return comparison;
  return {
    removed: writtenPart(comparison.removed, ownership),
    modified: writtenPart(comparison.modified, ownership),
    added: writtenPart(comparison.added, ownership),
  };
}

/** What an update removes from other managers: fields that it changes, and fields that are gone. */
export interface Takeover {
  comparison: Comparison;
  conflicts: Map<string, FieldSet>;
  removed: Map<string, FieldSet>;
  /** Owners in versions that are gone. */
  obsolete: string[];
}

/** An update of an object. */
export interface ObjectChange {
  old: JsonObject;
  next: JsonObject;
  /** In the version of the update, where the caller knows it already. */
  comparison?: Comparison | undefined;
}

/** From the owners other than `except`. Each of them may take a step. */
export function* computeTakeover(
  { old, next, comparison: known }: ObjectChange,
  owners: Ownerships,
  ownership: FieldOwnership,
  except: string,
): Generator<void, Takeover> {
  const comparison = known ?? compareWritten(old, next, ownership);
  const takeover: Takeover = { comparison, conflicts: new Map(), removed: new Map(), obsolete: [] };
  const byVersion = new Map<string, ChangedFields | 'gone'>([
    [ownership.apiVersion, changedFields(comparison)],
  ]);
  for (const [key, owner] of owners) {
    if (key === except) continue;
    yield;
    let compared = byVersion.get(owner.apiVersion);
    if (!compared) {
      const inVersion = compareInVersion(old, next, ownership, owner.apiVersion);
      compared = inVersion === 'gone' ? inVersion : changedFields(inVersion);
      byVersion.set(owner.apiVersion, compared);
    }
    if (compared === 'gone') {
      takeover.obsolete.push(key);
      continue;
    }
    const conflict = intersection(owner.fields, compared.changed);
    if (conflict) takeover.conflicts.set(key, conflict);
    if (compared.removed) takeover.removed.set(key, compared.removed);
  }
  return takeover;
}

/** Put together once for all owners of a version, who may be many. */
interface ChangedFields {
  changed: FieldSet | undefined;
  removed: FieldSet | undefined;
}

function changedFields({ modified, added, removed }: Comparison): ChangedFields {
  return { changed: union(modified, added), removed };
}

const noDifference: Comparison = { removed: undefined, modified: undefined, added: undefined };

function compareInVersion(
  old: JsonObject,
  next: JsonObject,
  ownership: FieldOwnership,
  apiVersion: string,
): Comparison | 'gone' {
  if (!ownership.convert) return noDifference;
  const before = ownership.convert(old, apiVersion);
  const after = ownership.convert(next, apiVersion);
  if (!before || !after) return 'gone';
  return compareWritten(before.object, after.object, { ...ownership, schema: after.schema });
}

/** Takes from the owners what the takeover says. Each of them may take a step. */
export function* applyTakeover(owners: Ownerships, takeover: Takeover): Generator<void> {
  for (const key of takeover.obsolete) owners.delete(key);
  for (const sets of [takeover.conflicts, takeover.removed]) {
    for (const [key, set] of sets) {
      const owner = owners.get(key);
      if (!owner) continue;
      yield;
      const fields = difference(owner.fields, set);
      if (fields) owners.set(key, { ...owner, fields });
      else owners.delete(key);
    }
  }
}

/**
 * Sets `next.metadata.managedFields` for a create (`live` undefined), an update or a patch. Call it with the decoded
 * objects in the request's version, `next` before admission; managed fields that the client sent are handled as
 * upstream does. Objects without managed fields are not tracked, and stay so.
 */
export function trackUpdate(live: JsonObject | undefined, next: JsonObject, ownership: FieldOwnership): void {
  inOneGo(trackUpdateInSteps(live, next, ownership));
}

/** The same, for objects that may be large: whoever asks for the steps may let others run between them. */
export function* trackUpdateInSteps(
  live: JsonObject | undefined,
  next: JsonObject,
  ownership: FieldOwnership,
): Generator<void> {
  const metadata = next.metadata as JsonObject;
  const owners = yield* ownersBefore(live, next, ownership);
  yield;
  alignWithSchema(owners, nodeOf(ownership));
  yield;
  if (live && owners.size === 0) {
    delete metadata.managedFields;
    return;
  }
  const entries = yield* entriesAfter(live, next, owners, ownership);
  if (entries) metadata.managedFields = entries;
  else delete metadata.managedFields;
}

/** An object that does not fit its own schema (a list's item without its key) goes untracked, as with upstream. */
function* entriesAfter(
  live: JsonObject | undefined,
  next: JsonObject,
  owners: Ownerships,
  ownership: FieldOwnership,
): Generator<void, ManagedFieldsEntry[] | undefined> {
  const old = live ?? emptyObjectOf(nodeOf(ownership));
  try {
    const comparison = compareWritten(old, next, ownership);
    yield;
    const before = entriesBefore(live, next, ownership);
    const update = before === undefined ? undefined : updateText(comparison, owners, ownership);
    const known = update && recallUpdate(before, update);
    if (known) return known;
    yield* recordUpdate({ old, next, comparison }, owners, ownership);
    yield;
    const entries = yield* writeManagedFields(owners);
    if (update && entries) rememberUpdate(before, update, entries);
    return entries;
  } catch (error) {
    if (error instanceof TypedValueError) return undefined;
    throw error;
  }
}

/** The stored entries, when the owners are exactly those; an empty list for a new object that names none. */
function entriesBefore(
  live: JsonObject | undefined,
  next: JsonObject,
  { subresource }: FieldOwnership,
): unknown {
  const entries = live ? (live.metadata as JsonObject).managedFields : undefined;
  if (!live && (next.metadata as JsonObject).managedFields === undefined) return noEntries;
  return subresource !== '' || (next.metadata as JsonObject).managedFields === entries ? entries : undefined;
}

/**
 * Everything besides the owners that determines the outcome; undefined when that includes the objects in another
 * version, or is too much to be kept.
 */
function updateText(
  comparison: Comparison,
  owners: Ownerships,
  { manager, apiVersion, subresource, time }: FieldOwnership,
): string | undefined {
  for (const owner of owners.values()) if (owner.apiVersion !== apiVersion) return undefined;
  const { removed, modified, added } = comparison;
  if ([removed, modified, added].some((set) => hasMoreElements(set, sharedElementsMax))) return undefined;
  return JSON.stringify([manager, subresource, time, apiVersion, removed, modified, added]);
}

function* ownersBefore(
  live: JsonObject | undefined,
  next: JsonObject,
  ownership: FieldOwnership,
): Generator<void, Ownerships> {
  const liveEntries = (live?.metadata as JsonObject | undefined)?.managedFields;
  if (ownership.subresource !== '') return yield* readOrForget(liveEntries);
  const given = (next.metadata as JsonObject).managedFields;
  if (given === liveEntries) return yield* readOrForget(given);
  if (Array.isArray(given) && isReset(given)) return new Map();
  const owners = yield* readOrForget(given);
  return owners.size > 0 ? owners : yield* readOrForget(liveEntries);
}

/** An empty list, or a single empty entry: the client wants all ownership forgotten. */
function isReset(entries: unknown[]): boolean {
  return (
    entries.length === 0 ||
    (entries.length === 1 && isJsonObject(entries[0]) && isEmptySet(entries[0] as FieldSet))
  );
}

/**
 * Makes the request's manager the owner of what differs between `next` and `old`, and removes it from the others, each of
 * whom may take a step.
 */
export function* recordUpdate(
  change: ObjectChange,
  owners: Ownerships,
  ownership: FieldOwnership,
): Generator<void> {
  const takeover = yield* computeTakeover(change, owners, ownership, '');
  const owner = {
    manager: ownership.manager || unknownManager,
    operation: 'Update' as const,
    apiVersion: ownership.apiVersion,
    subresource: ownership.subresource,
  };
  const key = ownershipKey(owner);
  // What it would lose of its own by that, it is given right after.
  takeover.conflicts.delete(key);
  yield* applyTakeover(owners, takeover);
  yield;
  const changed = withoutStrippedFields(union(takeover.comparison.modified, takeover.comparison.added));
  if (changed) {
    const fields = union(owners.get(key)?.fields, changed)!;
    owners.set(key, { ...owner, time: ownership.time, fields });
  }
  capUpdaters(owners);
}

/** Puts the oldest updaters of a version together until there are few enough. */
function capUpdaters(owners: Ownerships): void {
  const updaters = [...owners].filter(([, owner]) => owner.operation === 'Update');
  let excess = updaters.length - updatersMax;
  if (excess <= 0) return;
  updaters.sort(([leftKey, left], [rightKey, right]) => {
    return compareText(left.time ?? '', right.time ?? '') || compareText(leftKey, rightKey);
  });
  const firstOfVersion = new Map<string, string>();
  // A client may have sent thousands: what they own together is put together once.
  const merged = new Map<string, FieldSet[]>();
  for (const [key, owner] of updaters) {
    if (excess <= 0) break;
    const first = firstOfVersion.get(owner.apiVersion);
    if (first === undefined) {
      firstOfVersion.set(owner.apiVersion, key);
      continue;
    }
    const bucket: Ownership = {
      manager: oldUpdatesManager,
      operation: 'Update',
      apiVersion: owner.apiVersion,
      subresource: '',
      time: owner.time,
      fields: owner.fields,
    };
    const bucketKey = ownershipKey(bucket);
    const older = owners.get(bucketKey) ?? owners.get(first);
    const sets = merged.get(bucketKey) ?? [older!.fields];
    merged.set(bucketKey, sets);
    sets.push(owner.fields);
    if (!owners.has(bucketKey)) owners.delete(first);
    owners.delete(key);
    owners.set(bucketKey, bucket);
    excess--;
  }
  for (const [key, sets] of merged) owners.set(key, { ...owners.get(key)!, fields: unionOf(sets)! });
}

/**
 * Gives `next` the managed fields of `live` when it differs from it in nothing but their times, so that a write that
 * changes nothing is seen as such. For every update and patch, as the last step before the two are compared.
 */
export function keepTimesWhenUnchanged(live: JsonObject, next: JsonObject): void {
  const before = (live.metadata as JsonObject).managedFields;
  const after = (next.metadata as JsonObject).managedFields;
  if (!Array.isArray(before) || !Array.isArray(after) || before.length !== after.length) return;
  const withoutTimes = (entries: unknown[]) =>
    entries.map((entry) => ({ ...(entry as JsonObject), time: undefined }));
  if (!sameBut(live, next, 'metadata')) return;
  if (!sameBut(live.metadata as JsonObject, next.metadata as JsonObject, 'managedFields')) return;
  if (equalEntries(withoutTimes(before), withoutTimes(after)))
    (next.metadata as JsonObject).managedFields = before;
}

/** Entries may change places when their times change. */
function equalEntries(before: JsonObject[], after: JsonObject[]): boolean {
  // A client may have sent any number of entries: comparing each with all others would take too long.
  const byOwner = new Map(before.map((entry) => [ownerOf(entry), entry]));
  return after.every((entry) => equalJson(entry, byOwner.get(ownerOf(entry))));
}

function ownerOf({ manager, operation, apiVersion, subresource }: JsonObject): string {
  return JSON.stringify([manager, operation, apiVersion, subresource]);
}

function sameBut(left: JsonObject, right: JsonObject, except: string): boolean {
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (key !== except && !equalJson(left[key], right[key])) return false;
  }
  return true;
}

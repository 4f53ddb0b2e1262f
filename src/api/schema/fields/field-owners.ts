/** The entries of `metadata.managedFields`: read into what each manager owns, and written from it. */

import { deepFreeze } from '../../../base/collections/deep-freeze.ts';
import { RecentMap } from '../../../base/collections/recent-map.ts';
import { isJsonObject } from '../../../base/json-object.ts';
import type { ManagedFieldsEntry } from '../../meta.ts';
import { type FieldSet, FieldSetError, hasMoreElements, readFieldSet, sortSet } from './field-set.ts';

/** What one manager owns. Sets without members are not kept. */
export interface Ownership {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string | undefined;
  fields: FieldSet;
}

/** By {@link ownershipKey}. */
export type Ownerships = Map<string, Ownership>;

/** Applying managers are the same in every version; updating managers are distinguished by it. */
export function ownershipKey(owner: Omit<Ownership, 'fields' | 'time'>): string {
  const version = owner.operation === 'Apply' ? '' : owner.apiVersion;
  return JSON.stringify([owner.manager, owner.operation, version, owner.subresource]);
}

/**
 * Recently written lists, by their text. Objects that were created and changed in the same way share theirs, frozen:
 * what is known of one need not be determined, or serialized, for the next. A weak map of so many short-lived objects
 * would cost more than it saves: what is known is kept in properties that neither copies nor JSON see.
 */
const writtenLists = new RecentMap<ManagedFieldsEntry[]>(256);
/** Longer ones are kept by their objects alone: a client could have any number of them made. */
const sharedLengthMax = 64 * 1024;
const known = Symbol('known');
const knownEntry = Symbol('entry');

interface WrittenList {
  readonly [known]?: {
    readonly owners: ReadonlyMap<string, Ownership>;
    readonly text: string;
    /** Made when the first is remembered. */
    updates: Map<string, ManagedFieldsEntry[]> | undefined;
  };
}

/** An owner's entry, frozen, and its JSON. */
interface WrittenEntry {
  readonly entry: ManagedFieldsEntry;
  readonly text: string;
}

/** More outcomes of updates than this are not kept for one list. */
const updatesMax = 64;

function share(entries: ManagedFieldsEntry[], text: string, owners: Ownerships): ManagedFieldsEntry[] {
  Object.defineProperty(entries, known, { value: { owners: new Map(owners), text, updates: undefined } });
  Object.freeze(entries);
  if (text.length <= sharedLengthMax) writtenLists.set(text, entries);
  return entries;
}

/** Of an object that is being created: most clients create many that have the same fields. */
export const noEntries = share([], '[]', new Map());

/** The JSON of a list that was written here; undefined for others. */
export function managedFieldsText(entries: object): string | undefined {
  return (entries as WrittenList)[known]?.text;
}

/** More elements than that are not kept either, as an element is written in four characters at least. */
export const sharedElementsMax = sharedLengthMax / 4;

/** What an update made of such a list; the outcome depends on `update` alone. */
export function recallUpdate(entries: unknown, update: string): ManagedFieldsEntry[] | undefined {
  return (entries as WrittenList | undefined)?.[known]?.updates?.get(update);
}

export function rememberUpdate(entries: unknown, update: string, outcome: ManagedFieldsEntry[]): void {
  const list = (entries as WrittenList | undefined)?.[known];
  if (!list) return;
  list.updates ??= new Map();
  if (list.updates.size >= updatesMax) list.updates.clear();
  list.updates.set(update, outcome);
}

/** Each entry may take a step. @throws {FieldSetError} when an entry is not as it must be. */
function* readManagedFields(entries: unknown): Generator<void, Ownerships> {
  const owners: Ownerships = new Map();
  if (entries === undefined || entries === null) return owners;
  if (!Array.isArray(entries)) throw new FieldSetError('managedFields is a list');
  const written = ownersOfWritten(entries);
  if (written) return new Map(written);
  for (const [index, entry] of entries.entries()) {
    const {
      manager = '',
      operation,
      apiVersion,
      fieldsType,
      fieldsV1,
      time,
      subresource = '',
    } = (entry ?? {}) as ManagedFieldsEntry;
    if (operation !== 'Apply' && operation !== 'Update') {
      throw new FieldSetError('operation must be `Apply` or `Update`');
    }
    if (!apiVersion) throw new FieldSetError('apiVersion must not be empty');
    if (fieldsType !== 'FieldsV1') {
      throw new FieldSetError(
        fieldsType
          ? `invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${index}`
          : `missing fieldsType in managed fields entry ${index}`,
      );
    }
    yield;
    const owner: Ownership = {
      manager,
      operation,
      apiVersion,
      subresource,
      time,
      fields: readFieldSet(fieldsV1 ?? {}),
    };
    owners.set(ownershipKey(owner), owner);
  }
  return owners;
}

/** Also of a copy, as one gets by reading an object back. */
function ownersOfWritten(
  entries: ManagedFieldsEntry[] & WrittenList,
): ReadonlyMap<string, Ownership> | undefined {
  const shared = entries[known] ? entries : recentLike(entries);
  return (shared as WrittenList | undefined)?.[known]?.owners;
}

/** Long ones, which are not kept, are not written out to look for them. */
function recentLike(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] | undefined {
  const isLong = entries.some(
    (entry) => isJsonObject(entry?.fieldsV1) && hasMoreElements(entry.fieldsV1, sharedElementsMax),
  );
  return isLong ? undefined : writtenLists.get(JSON.stringify(entries));
}

/** In upstream's order, frozen; undefined when no field has an owner. Each owner may take steps. */
export function* writeManagedFields(owners: Ownerships): Generator<void, ManagedFieldsEntry[] | undefined> {
  if (owners.size === 0) return undefined;
  const written: WrittenEntry[] = [];
  for (const owner of [...owners.values()].sort(compareOwners)) {
    written.push(yield* entryOf(owner));
    yield;
  }
  const text = `[${written.map((one) => one.text).join(',')}]`;
  const known = text.length <= sharedLengthMax ? writtenLists.get(text) : undefined;
  if (known) return known;
  return share(
    written.map(({ entry }) => entry),
    text,
    owners,
  );
}

/** Most writes leave most owners unchanged. */
function* entryOf(owner: Ownership & { [knownEntry]?: WrittenEntry }): Generator<void, WrittenEntry> {
  const present = owner[knownEntry];
  if (present) return present;
  // Sorted once: the next write adds to it, and there is one set to keep.
  owner.fields = sortSet(owner.fields);
  yield;
  const entry = deepFreeze(createEntry(owner));
  const written = { entry, text: JSON.stringify(entry) };
  Object.defineProperty(owner, knownEntry, { value: written });
  return written;
}

function createEntry(owner: Ownership): ManagedFieldsEntry {
  return {
    ...(owner.manager && { manager: owner.manager }),
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time && { time: owner.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: owner.fields,
    ...(owner.subresource && { subresource: owner.subresource }),
  };
}

function compareOwners(left: Ownership, right: Ownership): number {
  return (
    compareText(left.operation, right.operation) ||
    compareText(left.time ?? '', right.time ?? '') ||
    compareText(left.manager, right.manager) ||
    compareText(left.apiVersion, right.apiVersion) ||
    compareText(left.subresource, right.subresource)
  );
}

export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** What is wrong with `managedFields` that the server did not write; undefined when they can be read. */
export function* managedFieldsProblem(entries: unknown): Generator<void, string | undefined> {
  try {
    yield* readManagedFields(entries);
    return undefined;
  } catch (error) {
    if (error instanceof FieldSetError) return error.message;
    throw error;
  }
}

/** The owners that `managedFields` of an object name, each in a step; none when these are malformed. */
export function* readOrForget(entries: unknown): Generator<void, Ownerships> {
  try {
    return yield* readManagedFields(entries);
  } catch (error) {
    if (error instanceof FieldSetError) return new Map();
    throw error;
  }
}

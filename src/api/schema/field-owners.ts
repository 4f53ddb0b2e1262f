/** The entries of `metadata.managedFields`: read into what each manager owns, and written from it. */
import type { ManagedFieldsEntry } from '../meta.ts';
import { type FieldSet, FieldSetError, readFieldSet, sortSet } from './field-set.ts';

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

/** Applying managers are the same in every version; updating ones are told apart by it. */
export function ownershipKey(owner: Omit<Ownership, 'fields' | 'time'>): string {
  const version = owner.operation === 'Apply' ? '' : owner.apiVersion;
  return JSON.stringify([owner.manager, owner.operation, version, owner.subresource]);
}

/**
 * What a list that was written here says, and an owner's entry: most writes leave most of them as they are. Kept as
 * properties that neither copies nor JSON see; weak maps of so many objects that live shortly cost more than they save.
 */
const knownOwners = Symbol('owners');
const knownEntry = Symbol('entry');

function remember(object: object, key: symbol, value: object): void {
  Object.defineProperty(object, key, { value });
}

/** @throws {FieldSetError} when an entry is not as it must be. */
function readManagedFields(entries: unknown): Ownerships {
  const owners: Ownerships = new Map();
  if (entries === undefined || entries === null) return owners;
  const known = Object.isFrozen(entries) && (entries as { [knownOwners]?: Ownerships })[knownOwners];
  if (known) return new Map(known);
  if (!Array.isArray(entries)) throw new FieldSetError('managedFields is a list');
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

/** In upstream's order; undefined when nobody owns anything. */
export function writeManagedFields(owners: Ownerships): ManagedFieldsEntry[] | undefined {
  if (owners.size === 0) return undefined;
  const entries = [...owners.values()].sort(compareOwners).map(entryOf);
  remember(entries, knownOwners, new Map(owners));
  return entries;
}

function entryOf(owner: Ownership & { [knownEntry]?: ManagedFieldsEntry }): ManagedFieldsEntry {
  const known = owner[knownEntry];
  if (known) return known;
  const entry: ManagedFieldsEntry = {
    ...(owner.manager && { manager: owner.manager }),
    operation: owner.operation,
    apiVersion: owner.apiVersion,
    ...(owner.time && { time: owner.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: sortSet(owner.fields),
    ...(owner.subresource && { subresource: owner.subresource }),
  };
  remember(owner, knownEntry, entry);
  return entry;
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

/** The owners that an object tells of; none when what it tells is no good. */
export function readOrForget(entries: unknown): Ownerships {
  try {
    return readManagedFields(entries);
  } catch (error) {
    if (error instanceof FieldSetError) return new Map();
    throw error;
  }
}

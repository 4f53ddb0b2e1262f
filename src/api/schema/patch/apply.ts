/** Server-side apply: merges what a manager applies into the live object, by who owns which field. */

import { inOneGo } from '../../../base/async/turns.ts';
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { badRequest, StatusError } from '../../status.ts';
import { goJson } from '../../validation/error-value.ts';
import { lastAppliedAnnotation } from '../../well-known.ts';
import { JsonError, parseJson } from '../body/json.ts';
import { setKey } from '../decode.ts';
import {
  compareText,
  type Ownership,
  type Ownerships,
  ownershipKey,
  readOrForget,
  writeManagedFields,
} from '../fields/field-owners.ts';
import {
  difference,
  type FieldSet,
  intersection,
  member,
  pathsOf,
  pathText,
  setOf,
  sortSet,
  union,
} from '../fields/field-set.ts';
import {
  applyTakeover,
  computeTakeover,
  emptyObjectOf,
  type FieldOwnership,
  nodeOf,
  recordUpdate,
  type VersionedObject,
  withoutStrippedFields,
} from '../fields/managed-fields.ts';
import { alignWithSchema } from '../fields/schema-changes.ts';
import { checkTyped } from '../fields/typed-check.ts';
import { compareTyped } from '../fields/typed-comparison.ts';
import { fieldsOf, withNamedFields } from '../fields/typed-fields.ts';
import { mergeTyped, removeFields } from '../fields/typed-merge.ts';
import { TypedValueError } from '../fields/typed-value.ts';
import { writtenPart } from '../fields/written-fields.ts';
import { equalJson, sortedKeys } from '../json-value.ts';
import type { SchemaNode } from '../schemas.ts';

const beforeFirstApplyManager = 'before-first-apply';

export interface ApplyRequest extends FieldOwnership {
  kind: string;
  /** Takes fields over from other managers instead of refusing. */
  force: boolean;
}

/**
 * The object that results from applying `config` to `live` (undefined: there is none yet), with its managed fields.
 * It is in the request's version, and neither decoded nor defaulted yet; neither argument is changed.
 * @throws {StatusError} 400 when the config is not as it must be, 409 when it conflicts with other managers.
 */
export function applyConfig(
  live: JsonObject | undefined,
  config: JsonObject,
  request: ApplyRequest,
): JsonObject {
  return inOneGo(applyConfigInSteps(live, config, request));
}

/** The same, for objects that may be large: whoever asks for the steps may let others run between them. */
export function* applyConfigInSteps(
  live: JsonObject | undefined,
  config: JsonObject,
  request: ApplyRequest,
): Generator<void, JsonObject> {
  checkConfig(config, request);
  const node = nodeOf(request);
  const base = live ?? { ...emptyObjectOf(node), apiVersion: request.apiVersion, kind: request.kind };
  const owners = yield* readOrForget((base.metadata as JsonObject | undefined)?.managedFields);
  yield;
  alignWithSchema(owners, node);
  yield;
  try {
    checkTyped(config, node);
    yield;
    if (live && owners.size === 0) {
      // Existing fields came from untracked writers: they get an owner, so that conflicts can be detected.
      yield* recordUpdate({ old: emptyObjectOf(node), next: live }, owners, {
        ...request,
        manager: beforeFirstApplyManager,
      });
      yield;
    }
    return yield* applyOver(base, config, owners, request);
  } catch (error) {
    if (error instanceof TypedValueError) {
      // Upstream's answer has no reason.
      throw new StatusError(
        500,
        '',
        `failed to create typed patch object (${describe(config)}): ${error.message}`,
      );
    }
    throw error;
  }
}

/** What upstream answers when the merged object has the form that its schema asks for, and a value that cannot be read. */
export function unreadableMerge(config: JsonObject, why: string): StatusError {
  const inner = why.startsWith('illegal base64 data') ? `error decoding from json: ${why}` : why;
  return new StatusError(
    500,
    '',
    `failed to convert new object (${describe(config)}) to proper version: unable to convert unstructured object to ${kindText(config)}: ${inner}`,
  );
}

function describe(config: JsonObject): string {
  const metadata = isJsonObject(config.metadata) ? config.metadata : {};
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}; ${kindText(config)}`;
}

/** `apps/v1, Kind=Deployment`, `/v1, Kind=Pod` */
function kindText({ apiVersion = '', kind = '' }: JsonObject): string {
  const version = String(apiVersion);
  return `${version.includes('/') ? version : `/${version}`}, Kind=${kind}`;
}

function checkConfig(config: JsonObject, request: ApplyRequest): void {
  if (config.apiVersion !== request.apiVersion || config.kind !== request.kind)
    throw badRequest(`invalid object type: ${kindText(config)}`);
  const metadata = config.metadata;
  if (metadata !== undefined && !isJsonObject(metadata)) throw badRequest('metadata must be an object');
  if (metadata?.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil');
  }
}

function* applyOver(
  live: JsonObject,
  config: JsonObject,
  owners: Ownerships,
  request: ApplyRequest,
): Generator<void, JsonObject> {
  const node = nodeOf(request);
  const owner: Ownership = {
    manager: request.manager,
    operation: 'Apply',
    apiVersion: request.apiVersion,
    subresource: request.subresource,
    time: request.time,
    fields: member,
  };
  const key = ownershipKey(owner);
  const last = owners.get(key);
  const claimed = writtenPart(fieldsOf(config, node), request) ?? member;
  owners.set(key, { ...owner, fields: claimed });
  yield;

  const merged = mergeTyped(live, config, node);
  yield;
  const isDropping = last && dropsSome(last, claimed, owners, request);
  yield;
  const pruned = isDropping ? yield* pruneDropped(merged, owners, last, request) : merged;
  yield;
  const takeover = yield* computeTakeover({ old: live, next: pruned }, owners, request, key);
  const conflicts = request.force ? [] : conflictsOf(takeover.conflicts, owners);
  const refused =
    request.manager === 'kubectl' ? withoutLastApplied(conflicts, live, node, request) : conflicts;
  if (refused.length > 0) throw conflictError(refused);
  yield* applyTakeover(owners, takeover);
  yield;

  const fields = withoutStrippedFields(claimed);
  if (!fields) owners.delete(key);
  // What changes the owners alone has no time of its own.
  else owners.set(key, { ...owner, fields, time: equalJson(live, pruned) ? last?.time : request.time });
  yield;
  return yield* withMetadata(pruned, config, owners, request);
}

/** False when the manager applies all again that it applied last time. Other versions have other names for fields. */
function dropsSome(last: Ownership, claimed: FieldSet, owners: Ownerships, request: ApplyRequest): boolean {
  for (const { apiVersion } of [last, ...owners.values()]) if (apiVersion !== request.apiVersion) return true;
  return difference(last.fields, claimed) !== undefined;
}

/** Takes out what the manager applied last time and no longer does, unless another manager owns it. */
function* pruneDropped(
  merged: JsonObject,
  owners: Ownerships,
  last: Ownership,
  request: ApplyRequest,
): Generator<void, JsonObject> {
  // A manager's fields have names in the version that it spoke: the last config may have been in another.
  const shownIn = (object: JsonObject, apiVersion: string): VersionedObject | undefined =>
    object.apiVersion === apiVersion && apiVersion === request.apiVersion
      ? { object, schema: request.schema }
      : request.convert?.(object, apiVersion);
  const atLast = shownIn(merged, last.apiVersion);
  if (!atLast) return merged;
  const lastNode = nodeOf(atLast);
  const lastSet = withNamedFields(last.fields, lastNode);
  yield;
  const mergedSet = yield* namedFieldsOf(atLast.object, lastNode);
  let pruned = removeFields(atLast.object, lastSet, lastNode);
  yield;
  for (const [apiVersion, owned] of fieldsByVersion(owners, last.apiVersion)) {
    const full = shownIn(merged, apiVersion);
    const kept = apiVersion === last.apiVersion ? { object: pruned } : request.convert?.(pruned, apiVersion);
    const fullSet = full?.object === atLast.object ? mergedSet : undefined;
    if (full && kept) pruned = yield* withOwnedFields(full, kept.object, owned, fullSet);
  }

  // Restores what was removed only because it was below something removed, and was never this manager's.
  const prunedAtLast =
    pruned.apiVersion === last.apiVersion ? pruned : request.convert?.(pruned, last.apiVersion)?.object;
  if (!prunedAtLast) return merged;
  const prunedSet = yield* namedFieldsOf(prunedAtLast, lastNode);
  const gone = intersection(difference(mergedSet, prunedSet), lastSet);
  const result = removeFields(atLast.object, gone, lastNode);
  if (last.apiVersion === request.apiVersion) return result;
  return request.convert?.(result, request.apiVersion)?.object ?? merged;
}

/** What all managers own together, by version; that of `first` comes first. */
function fieldsByVersion(owners: Ownerships, first: string): Map<string, FieldSet | undefined> {
  const owned = new Map<string, FieldSet | undefined>([[first, undefined]]);
  for (const { apiVersion, fields } of owners.values()) {
    owned.set(apiVersion, union(owned.get(apiVersion), fields));
  }
  return owned;
}

function* namedFieldsOf(
  object: JsonObject,
  node: SchemaNode | undefined,
): Generator<void, FieldSet | undefined> {
  const fields = fieldsOf(object, node);
  yield;
  const named = withNamedFields(fields, node);
  yield;
  return named;
}

/** `full` without what `kept` lacks and no manager owns. */
function* withOwnedFields(
  full: VersionedObject,
  kept: JsonObject,
  owned: FieldSet | undefined,
  knownSet: FieldSet | undefined,
): Generator<void, JsonObject> {
  const node = nodeOf(full);
  const fullSet = knownSet ?? (yield* namedFieldsOf(full.object, node));
  const keptSet = yield* namedFieldsOf(kept, node);
  const ownedSet = withNamedFields(owned, node);
  yield;
  const unowned = difference(fullSet, union(keptSet, ownedSet));
  yield;
  return removeFields(full.object, unowned, node);
}

interface Conflict {
  owner: Ownership;
  path: string[];
}

function conflictsOf(conflicts: Map<string, FieldSet>, owners: Ownerships): Conflict[] {
  const out: Conflict[] = [];
  for (const [key, set] of conflicts) {
    for (const path of pathsOf(sortSet(set))) out.push({ owner: owners.get(key)!, path });
  }
  return out;
}

/**
 * The first server-side apply of `kubectl` after client-side ones takes over the fields in its last-applied annotation
 * that have not been changed since.
 */
function withoutLastApplied(
  conflicts: Conflict[],
  live: JsonObject,
  node: SchemaNode | undefined,
  request: ApplyRequest,
): Conflict[] {
  if (conflicts.length === 0) return conflicts;
  const annotations = (live.metadata as JsonObject | undefined)?.annotations as JsonObject | undefined;
  const lastApplied = parseObject(annotations?.[lastAppliedAnnotation]);
  if (lastApplied?.apiVersion !== request.apiVersion) return conflicts;
  let allowed: FieldSet | undefined;
  try {
    const { removed, modified, added } = compareTyped(lastApplied, live, node);
    const changed = union(union(removed, modified), added);
    allowed = difference(fieldsOf(lastApplied, node), changed);
  } catch (error) {
    if (error instanceof TypedValueError) return conflicts;
    throw error;
  }
  return conflicts.filter(({ path }) => difference(setOf(path), allowed) !== undefined);
}

function parseObject(text: unknown): JsonObject | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const { value } = parseJson(text);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

function conflictError(conflicts: Conflict[]): StatusError {
  const lines = new Map<string, { label: string; fields: string[] }>();
  const causes = conflicts.map(({ owner, path }) => {
    const label = ownerLabel(owner);
    const field = pathText(path);
    const identity = ownerIdentity(owner);
    const known = lines.get(identity);
    if (known) known.fields.push(field);
    else lines.set(identity, { label, fields: [field] });
    return { reason: 'FieldManagerConflict', message: `conflict with ${label}`, field };
  });
  let message: string;
  if (causes.length === 1) {
    message = `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`;
  } else {
    const parts = [...lines]
      .sort(([a], [b]) => compareText(a, b))
      .flatMap(([, { label, fields }]) => [
        `conflicts with ${label}:`,
        ...fields.map((field) => `- ${field}`),
      ]);
    message = `Apply failed with ${causes.length} conflicts: ${parts.join('\n')}`;
  }
  return new StatusError(409, 'Conflict', message, { details: { causes } });
}

/** What upstream sorts owners by: as an entry of managed fields in JSON, a subresource is before none. */
function ownerIdentity({ manager, operation, apiVersion, subresource }: Ownership): string {
  return JSON.stringify({
    ...(manager && { manager }),
    operation,
    ...(operation === 'Update' && { apiVersion }),
    ...(subresource && { subresource }),
  });
}

function ownerLabel(owner: Ownership): string {
  let label = JSON.stringify(owner.manager);
  if (owner.subresource) label += ` with subresource ${JSON.stringify(owner.subresource)}`;
  return owner.operation === 'Update' ? `${label} using ${owner.apiVersion}` : label;
}

/** The result with its managed fields and, for kubectl, the last-applied annotation kept up. */
function* withMetadata(
  object: JsonObject,
  config: JsonObject,
  owners: Ownerships,
  request: ApplyRequest,
): Generator<void, JsonObject> {
  const metadata: JsonObject = { ...(object.metadata as JsonObject | undefined) };
  const annotations = metadata.annotations;
  if (request.manager === 'kubectl' && isJsonObject(annotations) && annotations[lastAppliedAnnotation]) {
    metadata.annotations = { ...annotations, [lastAppliedAnnotation]: lastAppliedText(config) };
  }
  const entries = yield* writeManagedFields(owners);
  if (entries) metadata.managedFields = entries;
  else delete metadata.managedFields;
  const out: JsonObject = { ...object };
  setKey(out, 'metadata', metadata);
  return out;
}

function lastAppliedText(config: JsonObject): string {
  const metadata = config.metadata;
  if (!isJsonObject(metadata) || !isJsonObject(metadata.annotations))
    return `${goJson(sortedKeys(config))}\n`;
  const { [lastAppliedAnnotation]: _, ...annotations } = metadata.annotations;
  return `${goJson(sortedKeys({ ...config, metadata: { ...metadata, annotations } }))}\n`;
}

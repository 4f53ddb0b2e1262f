/** Update: one optimistic loop for everything that changes a stored object (PUT, patches, subresources, the server itself). */
import type { KubeObject } from '../../../api/meta.ts';
import { asJsonObject } from '../../../api/schema/decode.ts';
import { keepTimesWhenUnchanged } from '../../../api/schema/fields/managed-fields.ts';
import { equalJson } from '../../../api/schema/json-value.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { conflict, modifiedMessage } from '../../../api/status.ts';
import { inStep, inSteps, startSteps } from '../../../base/async/turns.ts';
import { longBytes } from '../../request.ts';
import { prepareSubresource } from '../../subresources/prepare.ts';
import { CachedObject, encodeAndShare, encodeForStore } from '../../watch-cache/cached-object.ts';
import { type Allocation, allocateFor, reservationFor, withAllocations } from '../allocations.ts';
import { keptOf } from '../conversion/conversion.ts';
import { converting } from '../conversion/version-converter.ts';
import { keepReadableFields, trackFields } from '../managed-fields.ts';
import {
  carryMetadata,
  countGeneration,
  dropDuplicateOwners,
  isReadyToGo,
  matchNamespace,
} from '../object-metadata.ts';
import { checkPreconditions, checkVersion } from '../preconditions.ts';
import { type Registry, readCurrent, type WriteRequest } from '../registry.ts';
import { removeStored, replaceStored } from '../stored-writes.ts';
import { validateChangeInSteps } from '../validate.ts';

/** Losing against other writers more often than this is answered with a conflict. */
const attemptsMax = 100;

export interface ChangeOptions {
  /** The new state: a fresh object of the stored version. Called again when another writer was faster. */
  next(current: CachedObject, attempt: number): Promise<KubeObject> | KubeObject;
  /** What remains to be checked of what its caller has looked at already; admission and validity when absent. */
  checks?: 'validity' | 'none';
  /** Managed fields were computed by the creator of the new state (server-side apply). */
  fieldsTracked?: boolean;
  /** The new state was derived from the old one: another uid in it is a change, and refused as such. */
  isPatch?: boolean;
  /** Checked against the stored object. */
  preconditions?: { uid?: string; resourceVersion?: string };
  /** Instead of the kind's own rule of what an update of the object, or of its status, may change. */
  prepare?(object: KubeObject, old: KubeObject, now: string): void;
}

/** @throws StatusError NotFound, Conflict, Invalid, … */
export async function changeObject(
  registry: Registry,
  request: WriteRequest,
  options: ChangeOptions,
): Promise<CachedObject> {
  const { resource, namespace, name } = request;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const current = await readCurrent(registry, resource, namespace, name);
    checkPreconditions(request, current, options.preconditions);
    if (current.sizeBytes > longBytes) startSteps(request);
    // Held until the end: else it might have to be decoded again.
    const old = request.nextStep ? await inSteps(request, current.objectInSteps()) : current.object;
    const object = await inStep(request, () => options.next(current, attempt));
    const isConditional = !!object.metadata.resourceVersion;
    const outcome = await tryChange(registry, { request, options, object, current, old });
    if (outcome) return outcome;
    if (isConditional && object.metadata.resourceVersion === String(current.revision))
      throw conflict(resource, name, modifiedMessage);
  }
  throw conflict(resource, name, modifiedMessage);
}

interface Change {
  request: WriteRequest;
  options: ChangeOptions;
  /** As the client sent it, and in the end as it is to be stored. */
  object: KubeObject;
  current: CachedObject;
  /** The object of it. */
  old: KubeObject;
}

/** Undefined when another writer was faster. */
function tryChange(registry: Registry, change: Change): Promise<CachedObject | undefined> {
  const { request } = change;
  return withAllocations(registry, async (allocations) => {
    const admitted = await prepareChange(registry, change, allocations);
    for (const allocation of allocations) await allocation.claim();
    return inStep(request, () => storeChange(registry, { ...change, object: admitted }));
  });
}

/** Everything between the new state from the client and the state to be stored. */
async function prepareChange(
  registry: Registry,
  change: Change,
  allocations: Allocation[],
): Promise<KubeObject> {
  const { request, options, object, old } = change;
  const now = formatTime(registry.clock.now());
  await completeNewState(registry, change, now);
  if (options.checks === 'none') return object;
  const isAdmitted = options.checks === 'validity';
  const attributes = { operation: 'UPDATE' as const, request, object, old, name: request.name };
  const { managedFields } = object.metadata;
  if (!isAdmitted) await inStep(request, () => registry.admission.mutate(attributes));
  const next = attributes.object;
  if (next !== object) {
    await keepReadableFields(request, managedFields, next);
    carryMetadata(next, old);
    // Who admits it may ask for a version, too.
    checkVersion(request, next, change.current, { isPatch: true });
  }
  matchNamespace(request, next);
  prepareByKind(change, next, now);
  if (request.subresource === '') add(allocations, allocateFor(registry, request, next, old));
  countGeneration(request, next, old);
  await converting(() => inSteps(request, validateChangeInSteps(request, next, old)));
  warnByKind(request, next, old);
  if (isAdmitted) return next;
  await inStep(request, () => registry.admission.validate(attributes));
  add(allocations, reservationFor(registry, attributes));
  return next;
}

/** What the client left out of the new state, what it may not set, and which fields it thereby manages. */
async function completeNewState(
  registry: Registry,
  { request, options, object, current, old }: Change,
  now: string,
): Promise<void> {
  matchNamespace(request, object);
  dropDuplicateOwners(request, object.metadata);
  object.metadata.name ||= old.metadata.name;
  carryMetadata(object, old);
  checkVersion(request, object, current, options);
  request.resource.definition.defaultTimes?.(object, now);
  if (!options.fieldsTracked) await converting(() => trackFields(registry, request, old, object));
}

/** What may change is the subresource's rule if it has one, and else the kind's. */
function prepareByKind({ request, options, old }: Change, next: KubeObject, now: string): void {
  const { definition, plural } = request.resource;
  const prepare = options.prepare ?? prepareSubresource(plural, request.subresource);
  if (prepare) prepare(next, old, now);
  else if (request.subresource === 'status') definition.prepareStatusUpdate?.(next, old, now);
  else definition.prepareUpdate?.(next, old, now);
  // Parts that the change leaves alone are the stored object's own: frozen, and with their defaults.
  definition.defaults?.(next);
}

function warnByKind(request: WriteRequest, next: KubeObject, old: KubeObject): void {
  if (request.subresource === 'status') return;
  for (const warning of request.resource.definition.warnings?.(next, old) ?? [])
    request.warnings.push(warning);
}

function add(allocations: Allocation[], allocation: Allocation | undefined): void {
  if (allocation) allocations.push(allocation);
}

/** Undefined when another writer was faster. */
async function storeChange(
  registry: Registry,
  { request, object: wanted, current, old }: Change,
): Promise<CachedObject | undefined> {
  const object = keptOf(request.resource, wanted);
  if (isReadyToGo(object) && !isReadyToGo(old)) return removeFinalized(registry, request, object, current);
  keepTimesWhenUnchanged(asJsonObject(old), asJsonObject(object));
  const value = await inStep(request, () => encodeAndShare(object, current));
  const isSame = await inStep(request, () => !current.isOutdated && isUnchanged(value, object, current));
  if (isSame) return current;
  if (request.dryRun) return new CachedObject(current.key, current.revision, value);
  return await replaceStored(registry, request.resource, current, value);
}

/** The order in which a client names fields, and a conversion sets them, is no change. */
function isUnchanged(value: Uint8Array, object: KubeObject, current: CachedObject): boolean {
  const stored = current.storedValue();
  if (stored.equals(value)) return true;
  if (stored.length !== value.length) return false;
  const { resourceVersion: _, ...metadata } = object.metadata;
  const { resourceVersion: __, ...before } = current.object.metadata;
  return equalJson({ ...object, metadata }, { ...current.object, metadata: before });
}

/** A deleted object whose last finalizer went away: the update becomes the delete. */
async function removeFinalized(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
  current: CachedObject,
): Promise<CachedObject | undefined> {
  const last = new CachedObject(current.key, current.revision, encodeForStore(object));
  return request.dryRun || (await removeStored(registry, request.resource, current)) ? last : undefined;
}

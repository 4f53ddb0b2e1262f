/** Update: one optimistic loop for everything that changes a stored object (PUT, patches, subresources, the server itself). */
import type { KubeObject } from '../../../api/meta.ts';
import { asJsonObject } from '../../../api/schema/decode.ts';
import { keepTimesWhenUnchanged } from '../../../api/schema/fields/managed-fields.ts';
import { equalJson } from '../../../api/schema/json-value.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { conflict, modifiedMessage } from '../../../api/status.ts';
import { inStep, startSteps } from '../../../base/async/turns.ts';
import { longBytes } from '../../request.ts';
import { prepareSubresource } from '../../subresources/prepare.ts';
import { CachedObject, encodeAndShare, encodeForStore } from '../../watch-cache/cached-object.ts';
import { type Allocation, allocateFor, reservationFor, withAllocations } from '../allocations.ts';
import { converting } from '../conversion/version-converter.ts';
import { trackFields } from '../managed-fields.ts';
import { cacheOf, type Registry, readCurrent, type WriteRequest } from '../registry.ts';
import { removeStored, replaceStored } from '../stored-writes.ts';
import { validateChange } from '../validate.ts';
import { dropDuplicateOwners, matchNamespace } from './create.ts';

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
    const object = await inStep(request, () => options.next(current, attempt));
    const isConditional = !!object.metadata.resourceVersion;
    const outcome = await tryChange(registry, { request, options, object, current });
    if (outcome) return outcome;
    if (isConditional && object.metadata.resourceVersion === String(current.revision))
      throw conflict(resource, name, modifiedMessage);
  }
  throw conflict(resource, name, modifiedMessage);
}

interface Change {
  request: WriteRequest;
  options: ChangeOptions;
  /** As the client sent it. */
  object: KubeObject;
  current: CachedObject;
}

/** Undefined when another writer was faster. */
function tryChange(registry: Registry, change: Change): Promise<CachedObject | undefined> {
  const { request, current } = change;
  return withAllocations(registry, async (allocations) => {
    const admitted = await prepareChange(registry, change, allocations);
    for (const allocation of allocations) await allocation.claim();
    return inStep(request, () => storeChange(registry, request, admitted, current));
  });
}

/** Everything between the new state from the client and the state to be stored. */
async function prepareChange(
  registry: Registry,
  { request, options, object, current }: Change,
  allocations: Allocation[],
): Promise<KubeObject> {
  const { definition } = request.resource;
  const old = current.object;
  matchNamespace(request, object);
  dropDuplicateOwners(request, object.metadata);
  carryMetadata(object, old);
  checkVersion(request, object, current, options);
  const now = formatTime(registry.clock.now());
  definition.defaultTimes?.(object, now);
  if (!options.fieldsTracked) await converting(() => trackFields(registry, request, old, object));
  if (options.checks === 'none') return object;
  const isAdmitted = options.checks === 'validity';
  const attributes = { operation: 'UPDATE' as const, request, object, old, name: request.name };
  if (!isAdmitted) await inStep(request, () => registry.admission.mutate(attributes));
  const next = attributes.object;
  const prepare = options.prepare ?? prepareSubresource(request.resource.plural, request.subresource);
  if (prepare) prepare(next, old, now);
  else if (request.subresource === 'status') definition.prepareStatusUpdate?.(next, old, now);
  else definition.prepareUpdate?.(next, old, now);
  // Parts that the change leaves alone are the stored object's own: frozen, and with their defaults.
  definition.defaults?.(next);
  const allocation = request.subresource === '' ? allocateFor(registry, request, next, old) : undefined;
  if (allocation) allocations.push(allocation);
  countGeneration(request, next, old);
  await inStep(request, () => converting(() => validateChange(request, next, old)));
  if (request.subresource !== 'status')
    for (const warning of definition.warnings?.(next, old) ?? []) request.warnings.push(warning);
  if (isAdmitted) return next;
  await inStep(request, () => registry.admission.validate(attributes));
  const reservation = reservationFor(registry, attributes);
  if (reservation) allocations.push(reservation);
  return next;
}

/** Undefined when another writer was faster. */
async function storeChange(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
  current: CachedObject,
): Promise<CachedObject | undefined> {
  if (isReadyToGo(object) && !isReadyToGo(current.object))
    return removeFinalized(registry, request, object, current);
  keepTimesWhenUnchanged(asJsonObject(current.object), asJsonObject(object));
  const value = encodeAndShare(object, current);
  if (!current.isOutdated && isUnchanged(value, object, current)) return current;
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

/** True when nothing holds a deleted object back any longer. */
export function isReadyToGo(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers, deletionGracePeriodSeconds = 0 } = object.metadata;
  if (!deletionTimestamp || finalizers?.length || deletionGracePeriodSeconds !== 0) return false;
  return !isHeldBySpec(object);
}

/** Namespaces keep finalizers of their own in the spec. */
export function isHeldBySpec(object: KubeObject): boolean {
  const spec = (object as { spec?: { finalizers?: unknown[] } }).spec;
  return object.kind === 'Namespace' && (spec?.finalizers?.length ?? 0) > 0;
}

/** Fields that the server owns come from the old state; a client may omit or repeat them. */
function carryMetadata(object: KubeObject, old: KubeObject): void {
  const meta = object.metadata;
  meta.name ||= old.metadata.name;
  meta.uid ||= old.metadata.uid;
  meta.creationTimestamp = old.metadata.creationTimestamp;
  if (old.metadata.deletionTimestamp !== undefined) meta.deletionTimestamp ??= old.metadata.deletionTimestamp;
  if (old.metadata.deletionGracePeriodSeconds !== undefined)
    meta.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  if (old.metadata.generation === undefined) delete meta.generation;
  else meta.generation = old.metadata.generation;
}

function checkVersion(
  request: WriteRequest,
  object: KubeObject,
  current: CachedObject,
  { isPatch }: ChangeOptions,
): void {
  const { resource, name } = request;
  const { uid, resourceVersion } = object.metadata;
  const { uid: currentUid } = current.object.metadata;
  if (uid !== currentUid && !isPatch)
    throw conflict(
      resource,
      name,
      `StorageError: invalid object, Code: 4, Key: ${cacheOf(resource).prefix}${current.key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${currentUid}`,
    );
  if (resourceVersion && resourceVersion !== '0' && resourceVersion !== String(current.revision))
    throw conflict(resource, name, modifiedMessage);
}

/** @throws StatusError Conflict, in the words of a delete, when it is not the intended object */
export function checkPreconditions(
  { resource, name }: Pick<WriteRequest, 'resource' | 'name'>,
  current: CachedObject,
  preconditions: { uid?: string; resourceVersion?: string } | undefined,
): void {
  if (!preconditions) return;
  const named = { group: resource.group, plural: resource.kind };
  const { uid } = current.object.metadata;
  if (preconditions.uid !== undefined && preconditions.uid !== uid)
    throw conflict(
      named,
      name,
      `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    );
  const version = String(current.revision);
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== version)
    throw conflict(
      named,
      name,
      `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${version}). The object might have been modified`,
    );
}

/** The generation counts changes of the desired state: everything but metadata and status. */
function countGeneration({ resource, subresource }: WriteRequest, object: KubeObject, old: KubeObject): void {
  if (subresource === 'status') return;
  if (!resource.definition.hasGeneration || old.metadata.generation === undefined) return;
  if (sameWanted(object, old)) return;
  object.metadata.generation = old.metadata.generation + 1;
}

const notWanted: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'status']);

function sameWanted(object: KubeObject, old: KubeObject): boolean {
  const [left, right] = [asJsonObject(object), asJsonObject(old)];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)]))
    if (!notWanted.has(key) && !equalJson(left[key], right[key])) return false;
  return true;
}

/** Create: fills in what the server owns, admits, validates, stores. */
import type { KubeObject } from '../../../api/meta.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { alreadyExists, StatusError } from '../../../api/status.ts';
import { inStep, inSteps } from '../../../base/async/turns.ts';
import type { AdmissionAttributes } from '../../admission/admission.ts';
import { CachedObject, encodeAndShare, encodeForStore } from '../../watch-cache/cached-object.ts';
import { type Allocation, allocateFor, reservationFor, withAllocations } from '../allocations.ts';
import { keptOf } from '../conversion/conversion.ts';
import { converting } from '../conversion/version-converter.ts';
import { keepReadableFields, trackFields } from '../managed-fields.ts';
import { dropDuplicateOwners, matchNamespace } from '../object-metadata.ts';
import { cacheOf, type Registry, storageKey, type WriteRequest } from '../registry.ts';
import { storeNew } from '../stored-writes.ts';
import { validateNewInSteps } from '../validate.ts';

/** Generated names end in five random characters; the base is truncated so that the whole remains a DNS label. */
const generatedSuffixLength = 5;
const generatedNameMax = 63;
/** Tries with another generated name before the collision is the client's to see. */
const generateNameTriesMax = 8;

/**
 * `object` is of the stored version, decoded and defaulted; it becomes the registry's own.
 * @throws StatusError AlreadyExists, Invalid, Forbidden by admission …
 */
export async function createObject(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
  options: { fieldsTracked?: boolean } = {},
): Promise<CachedObject> {
  const { resource } = request;
  const { definition } = resource;
  const meta = object.metadata;
  matchNamespace(request, object);
  dropDuplicateOwners(request, meta);
  // Fields that only the server sets are owned by no manager.
  for (const name of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink'] as const)
    delete meta[name];
  definition.defaultTimes?.(object, formatTime(registry.clock.now()));
  if (!options.fieldsTracked) await converting(() => trackFields(registry, request, undefined, object));
  const attributes = {
    operation: 'CREATE' as const,
    request,
    object,
    old: undefined,
    name: meta.name ?? '',
  };
  const { managedFields } = meta;
  await inStep(request, () => registry.admission.mutate(attributes));
  const admitted = attributes.object;
  await keepReadableFields(request, managedFields, admitted);
  matchNamespace(request, admitted);
  // Only now, as upstream has it: what changes a new object may yet give it a name, and refusals quote what it has.
  const isGenerated = !admitted.metadata.name && !!admitted.metadata.generateName;
  if (isGenerated) admitted.metadata.name = generateName(registry, admitted.metadata.generateName!);
  fillSystemFields(registry, request, admitted);
  definition.prepareCreate?.(admitted, request.warnings);
  definition.defaults?.(admitted);
  return withAllocations(registry, async (allocations) => {
    await checkNew(registry, attributes, allocations);
    for (const allocation of allocations) await allocation.claim();
    return inStep(request, () =>
      isGenerated
        ? storeUnderFreeName(registry, request, admitted)
        : storeUnderOwnName(registry, request, admitted),
    );
  });
}

/** All that may refuse the object before it is stored, and what it allocates meanwhile. */
async function checkNew(
  registry: Registry,
  attributes: AdmissionAttributes & { object: KubeObject },
  allocations: Allocation[],
): Promise<void> {
  const { request, object } = attributes;
  const allocation = allocateFor(registry, request, object, undefined);
  if (allocation) allocations.push(allocation);
  await converting(() => inSteps(request, validateNewInSteps(request, object)));
  const { definition } = request.resource;
  for (const warning of definition.warnings?.(object, undefined) ?? []) request.warnings.push(warning);
  await inStep(request, () => registry.admission.validate(attributes));
  const reservation = reservationFor(registry, attributes);
  if (reservation) allocations.push(reservation);
}

async function storeUnderOwnName(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
): Promise<CachedObject> {
  const stored = await store(registry, request, object);
  if (!stored) throw await nameTaken(registry, request, object);
  return stored;
}

/** Of the generated names the first that is free. */
async function storeUnderFreeName(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
): Promise<CachedObject> {
  for (let attempt = 1; ; attempt++) {
    const stored = await store(registry, request, object);
    if (stored) return stored;
    if (attempt === generateNameTriesMax) throw await nameTaken(registry, request, object);
    object.metadata.name = generateName(registry, object.metadata.generateName!);
  }
}

/** Says so when the name is to be free again. */
async function nameTaken(
  registry: Registry,
  { resource }: WriteRequest,
  { metadata }: KubeObject,
): Promise<StatusError> {
  const { namespace = '', name } = metadata;
  if (!registry.view.isCurrent) await registry.view.caughtUp();
  const holder = cacheOf(resource).get(storageKey(resource, namespace, name));
  const error = alreadyExists(resource, name);
  if (holder?.object.metadata.deletionTimestamp)
    error.status.message = `object is being deleted: ${error.status.message}`;
  return error;
}

/** Undefined when the name is taken. */
async function store(
  registry: Registry,
  request: WriteRequest,
  object: KubeObject,
): Promise<CachedObject | undefined> {
  const { resource } = request;
  const cache = cacheOf(resource);
  const key = storageKey(resource, object.metadata.namespace ?? '', object.metadata.name);
  const kept = keptOf(resource, object);
  if (request.dryRun) {
    if (!registry.view.isCurrent) await registry.view.caughtUp();
    return cache.get(key) ? undefined : new CachedObject(key, 0, encodeForStore(kept));
  }
  // Last of all, and in the words of upstream's store: admission and validation come first.
  if (object.metadata.resourceVersion)
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
  return await storeNew(registry, resource, key, encodeAndShare(kept));
}

function fillSystemFields(registry: Registry, { resource }: WriteRequest, object: KubeObject): void {
  const meta = object.metadata;
  meta.uid = registry.random.uuid();
  meta.creationTimestamp = formatTime(registry.clock.now());
  if (resource.definition.hasGeneration) meta.generation = 1;
}

function generateName(registry: Registry, base: string): string {
  const kept = base.slice(0, generatedNameMax - generatedSuffixLength);
  return kept + registry.random.suffix(generatedSuffixLength);
}

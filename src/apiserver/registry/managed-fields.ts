/** Managed fields of every write but server-side apply: who came to own what by this create, update or patch. */

import type { KubeObject } from '../../api/meta.ts';
import { asJsonObject, asKubeObject } from '../../api/schema/decode.ts';
import { managedFieldsProblem } from '../../api/schema/fields/field-owners.ts';
import {
  type FieldOwnership,
  trackUpdateInSteps,
  type VersionedObject,
} from '../../api/schema/fields/managed-fields.ts';
import { formatTime } from '../../api/schema/time.ts';
import { inStep, inSteps } from '../../base/async/turns.ts';
import { convertFromStored, convertToStored } from './conversion/conversion.ts';
import { convertedNow } from './conversion/version-converter.ts';
import type { ServedResource } from './kind-registry.ts';
import type { Registry, WriteRequest } from './registry.ts';
import { writtenFieldsOf } from './written-fields.ts';

export function ownershipOf(registry: Registry, request: WriteRequest): FieldOwnership {
  const { resource, subresource, fieldManager } = request;
  return {
    schema: resource.codec.fields,
    apiVersion: resource.apiVersion,
    subresource,
    manager: fieldManager,
    time: formatTime(registry.clock.now()),
    ...writtenFieldsOf(resource, subresource),
    convert: (object, apiVersion) => convertTo(registry, resource, asKubeObject(object), apiVersion),
  };
}

/**
 * Sets `next`'s managed fields: a promise only where that takes time. Both are of the stored version; fields are owned
 * in the version of the request.
 */
export function trackFields(
  registry: Registry,
  request: WriteRequest,
  live: KubeObject | undefined,
  next: KubeObject,
): void | Promise<void> {
  const { resource } = request;
  const ownership = ownershipOf(registry, request);
  return resource.served
    ? trackShown(request, live, next, ownership)
    : inSteps(request, trackUpdateInSteps(live && asJsonObject(live), asJsonObject(next), ownership));
}

async function trackShown(
  request: WriteRequest,
  live: KubeObject | undefined,
  next: KubeObject,
  ownership: FieldOwnership,
): Promise<void> {
  const { resource } = request;
  const shown = (object: KubeObject) => convertFromStored(resource, structuredClone(object));
  const shownLive = live && (await inStep(request, () => shown(live)));
  const shownNext = await inStep(request, () => shown(next));
  const steps = trackUpdateInSteps(shownLive && asJsonObject(shownLive), asJsonObject(shownNext), ownership);
  await inSteps(request, steps);
  const { managedFields } = shownNext.metadata;
  if (managedFields) next.metadata.managedFields = managedFields;
  else delete next.metadata.managedFields;
}

/**
 * Webhooks and policies may say who owns what. A list that nobody can read gives way to the one before, and the client is
 * told; an empty one is none.
 */
export async function keepReadableFields(
  request: WriteRequest,
  before: KubeObject['metadata']['managedFields'],
  { metadata }: KubeObject,
): Promise<void> {
  const { managedFields } = metadata;
  if (managedFields === before) return;
  const problem = await inSteps(request, managedFieldsProblem(managedFields));
  if (problem) {
    request.warnings.push(
      `.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: ${problem}`,
    );
    if (before) metadata.managedFields = before;
  }
  if ((problem && !before) || metadata.managedFields?.length === 0) delete metadata.managedFields;
}

/** An object in another version of the same kind; undefined when that is not served. */
function convertTo(
  registry: Registry,
  resource: ServedResource,
  object: KubeObject,
  apiVersion: string,
): VersionedObject | undefined {
  const served = (version: string | undefined) => {
    for (const other of registry.kinds.all()) {
      if (other.definition === resource.definition && other.apiVersion === version) return other;
    }
    return undefined;
  };
  const to = served(apiVersion);
  if (!to) return undefined;
  if (resource.converter) {
    // An object that is only just being made has nothing to convert.
    const converted = object.metadata
      ? convertedNow(resource.converter, object, apiVersion)
      : { ...object, apiVersion };
    return { object: asJsonObject(converted), schema: to.codec.fields };
  }
  // Fields keep their owners also where the other version does not know them.
  if (resource.isCustom) return { object: asJsonObject({ ...object, apiVersion }), schema: to.codec.fields };
  const stored = convertToStored(served(object.apiVersion) ?? resource, structuredClone(object));
  return { object: asJsonObject(convertFromStored(to, stored)), schema: to.codec.fields };
}

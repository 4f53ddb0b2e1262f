/** Conversion of objects between the stored version and the client's. */
import { apiVersionOf, type KubeObject } from '../../../api/meta.ts';
import { decode } from '../../../api/schema/decode.ts';
import { startTimeSlices } from '../../../base/async/time-slices.ts';
import { deepFreeze } from '../../../base/collections/deep-freeze.ts';
import { CachedObject, encodeForStore } from '../../watch-cache/cached-object.ts';
import type { ServedResource } from '../kind-registry.ts';
import { convertedNow } from './version-converter.ts';

/**
 * `object` of the stored version as `resource`'s version shows it. Takes an object that it may change. Of a custom
 * resource, a version shows what it knows, and the defaults are those of the stored version.
 * @throws ConversionNeeded
 */
export function convertFromStored(resource: ServedResource, object: KubeObject): KubeObject {
  const { apiVersion, kind, converter } = resource;
  if (resource.isCustom) {
    const converted =
      converter && object.apiVersion !== apiVersion
        ? convertedNow(converter, object, apiVersion)
        : { ...object, apiVersion, kind };
    return resource.served ? pruned(resource, converted) : converted;
  }
  if (!resource.served) return object;
  const converted = resource.served.fromStored(object);
  converted.apiVersion = apiVersion;
  converted.kind = kind;
  // Decoded, it has the exact shape of its type.
  const shaped = decode<KubeObject & Record<string, unknown>>(resource.schema, converted).object;
  return { kind, apiVersion, ...shaped };
}

/** The inverse of {@link convertFromStored}. @throws ConversionNeeded */
export function convertToStored(resource: ServedResource, object: KubeObject): KubeObject {
  if (!resource.served) return object;
  const { type } = resource.definition;
  const apiVersion = apiVersionOf(type);
  if (resource.converter) {
    const converted = convertedNow(resource.converter, object, apiVersion);
    return resource.storedCodec.refresh?.(converted) ?? converted;
  }
  const converted = resource.served.toStored(object);
  converted.apiVersion = apiVersion;
  converted.kind = type.kind;
  return converted;
}

/**
 * What is stored of an object. Of a custom resource that came in another version, that is what the stored version knows;
 * the rest has been validated, and is lost where nothing converts it.
 */
export function keptOf({ isCustom, served, storedCodec }: ServedResource, object: KubeObject): KubeObject {
  return (isCustom && served && storedCodec.refresh?.(object)) || object;
}

/** A cached object as `resource`'s version shows it: shared and frozen. */
export function viewOf(resource: ServedResource, cached: CachedObject): KubeObject {
  if (!resource.served && isAsStored(resource, cached)) return cached.object;
  return cached.form(resource.codec, () => shaped(resource, convertFromStored(resource, cached.copy())));
}

/** A custom resource itself, shared and frozen, when `resource`'s version shows just what is stored. */
export function shownAsStored(resource: ServedResource, cached: CachedObject): KubeObject | undefined {
  const { isCustom, served, kind } = resource;
  const isShown = isCustom && !served && isAsStored(resource, cached) && cached.object.kind === kind;
  return isShown ? cached.object : undefined;
}

/** A cached object's JSON in `resource`'s version. */
export function jsonOf(resource: ServedResource, cached: CachedObject): Buffer {
  if (!resource.served && isAsStored(resource, cached)) return cached.bytes;
  return Buffer.from(JSON.stringify(viewOf(resource, cached)));
}

/** The same as a line: upstream's encoder ends what it writes with its end, which readers at a terminal like. */
export function jsonLineOf(resource: ServedResource, cached: CachedObject): Buffer {
  if (!resource.served && isAsStored(resource, cached)) return cached.line;
  return Buffer.from(`${JSON.stringify(viewOf(resource, cached))}\n`);
}

/** Converts objects of a kind with a converter, all together, before they are returned. */
export async function prepareViews(
  resource: ServedResource,
  objects: readonly CachedObject[],
): Promise<void> {
  const { converter, codec, apiVersion } = resource;
  if (!converter) return;
  const others: CachedObject[] = [];
  const slices = startTimeSlices();
  for (const cached of objects) {
    const pause = slices.yieldIfDue();
    if (pause) await pause;
    if (cached.object.apiVersion !== apiVersion && !cached.hasForm(codec)) others.push(cached);
  }
  if (others.length === 0) return;
  const converted = await converter.convert(
    others.map((cached) => cached.object),
    apiVersion,
  );
  for (const [index, cached] of others.entries()) cached.keepForm(codec, shaped(resource, converted[index]!));
}

/** A custom resource that was stored when another version was the stored one, in today's. */
export async function inStoredVersion(resource: ServedResource, cached: CachedObject): Promise<CachedObject> {
  if (!resource.isCustom) return cached;
  const apiVersion = apiVersionOf(resource.definition.type);
  if (cached.apiVersion === apiVersion) return cached;
  const { object } = cached;
  const [converted] = resource.converter
    ? await resource.converter.convert([object], apiVersion)
    : [{ ...object, apiVersion }];
  const fresh = resource.storedCodec.refresh?.(converted!) ?? converted!;
  return new CachedObject(cached.key, cached.revision, encodeForStore(fresh), { isOutdated: true });
}

function shaped(resource: ServedResource, converted: KubeObject): KubeObject {
  if (resource.isCustom && resource.served) return deepFreeze(pruned(resource, converted));
  return deepFreeze(resource.codec.refresh?.(converted) ?? converted);
}

function pruned({ codec }: ServedResource, converted: KubeObject): KubeObject {
  return codec.prune?.(converted) ?? converted;
}

/** False when a custom resource's schema has changed since the object was written, in a way that shows. */
function isAsStored({ codec, apiVersion }: ServedResource, cached: CachedObject): boolean {
  if (!codec.isFresh) return true;
  const { isFresh } = codec;
  return cached.knownFor(codec, () => cached.object.apiVersion === apiVersion && isFresh(cached.object));
}

/** Objects between the stored version and the one that a client speaks. */
import { apiVersionOf, type KubeObject } from '../../api/meta.ts';
import { decode } from '../../api/schema/decode.ts';
import { equalJson } from '../../api/schema/json-value.ts';
import { type CachedObject, deepFreeze } from '../watch-cache/cached-object.ts';
import type { ServedResource } from './kind-registry.ts';

/** `object` of the stored version as `resource`'s version shows it. Takes an object that it may change. */
export function convertFromStored(resource: ServedResource, object: KubeObject): KubeObject {
  if (!resource.served) return object;
  const converted = resource.served.fromStored(object);
  const { apiVersion, kind } = resource;
  converted.apiVersion = apiVersion;
  converted.kind = kind;
  if (resource.isCustom) return { ...converted, apiVersion, kind };
  // Decoded, it has the exact shape of its type.
  const shaped = decode<KubeObject & Record<string, unknown>>(resource.schema, converted).object;
  return { kind, apiVersion, ...shaped };
}

/** The inverse of {@link convertFromStored}. */
export function convertToStored(resource: ServedResource, object: KubeObject): KubeObject {
  if (!resource.served) return object;
  const { type } = resource.definition;
  const converted = resource.served.toStored(object);
  converted.apiVersion = apiVersionOf(type);
  converted.kind = type.kind;
  return converted;
}

/** A cached object as `resource`'s version shows it: shared and frozen. */
export function viewOf(resource: ServedResource, cached: CachedObject): KubeObject {
  if (!resource.served && isAsStored(resource, cached)) return cached.object;
  return cached.form(resource.codec, () => {
    const converted = convertFromStored(resource, cached.copy());
    return deepFreeze(resource.codec.refresh?.(converted) ?? converted);
  });
}

/** A cached object's JSON in `resource`'s version. */
export function jsonOf(resource: ServedResource, cached: CachedObject): Buffer {
  if (!resource.served && isAsStored(resource, cached)) return cached.bytes;
  return Buffer.from(JSON.stringify(viewOf(resource, cached)));
}

/** False when a custom resource's schema has changed since the object was written, in a way that shows. */
function isAsStored({ codec }: ServedResource, cached: CachedObject): boolean {
  if (!codec.refresh) return true;
  const { refresh } = codec;
  return cached.knownFor(codec, () => equalJson(refresh(cached.object), cached.object));
}

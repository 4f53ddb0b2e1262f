/** JSON merge patches, RFC 7386. */
import { isObject, type JsonObject, setKey } from './decode.ts';
import { cloneJson, ownValue } from './json-value.ts';

/** A new document; neither argument is changed. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return cloneJson(patch);
  const out: JsonObject = {};
  if (isObject(document)) {
    for (const key of Object.keys(document)) {
      if (!Object.hasOwn(patch, key)) setKey(out, key, cloneJson(document[key]));
      else if (patch[key] !== null) setKey(out, key, applyMergePatch(document[key], patch[key]));
    }
  }
  for (const key of Object.keys(patch)) {
    const known = isObject(document) && ownValue(document, key) !== undefined;
    if (!known && patch[key] !== null) setKey(out, key, applyMergePatch(undefined, patch[key]));
  }
  return out;
}

/** JSON merge patches, RFC 7386, with what upstream's library does to nulls within lists. */
import { isJsonObject, type JsonObject } from '../../../base/json-object.ts';
import { setKey } from '../decode.ts';
import { cloneJson, ownValue } from '../json-value.ts';

/** A new document, which shares with `document` what the patch leaves alone; neither argument is changed. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  // A list that takes the place of an object stays as it is; other lists hold objects without nulls.
  if (!isJsonObject(patch)) return isJsonObject(document) ? cloneJson(patch) : withoutNulls(patch);
  const out: JsonObject = {};
  if (isJsonObject(document)) {
    for (const key of Object.keys(document)) {
      if (!Object.hasOwn(patch, key)) setKey(out, key, document[key]);
      else if (patch[key] !== null) setKey(out, key, applyMergePatch(document[key], patch[key]));
    }
  }
  for (const key of Object.keys(patch)) {
    const known = isJsonObject(document) && ownValue(document, key) !== undefined;
    if (!known && patch[key] !== null) setKey(out, key, applyMergePatch(undefined, patch[key]));
  }
  return out;
}

/** As {@link applyMergePatch} to nothing. Items that are null stay, so that the others keep their places. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return isJsonObject(value) ? applyMergePatch(undefined, value) : value;
}

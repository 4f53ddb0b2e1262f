/** Patch: JSON patch, merge patch, strategic merge patch and server-side apply, on the object in the client's version. */
import type { KubeObject } from '../../api/meta.ts';
import { bodySizeBytesMax } from '../../api/schema/body.ts';
import { badRequest, unsupportedMediaType } from '../../api/status.ts';
import type { ApiRequest, ApiResponse, RequestContext } from '../request.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { decodeAs, mediaTypeOf, toStoredVersion } from './codec.ts';
import { convertFromStored } from './conversion.ts';
import type { ServedResource } from './kind-registry.ts';
import type { Registry } from './registry.ts';
import { changeObject } from './update.ts';
import { fieldValidationOf, writeRequest } from './verbs.ts';

export async function patchObject(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const { request } = context;
  const patch = JSON.parse(Buffer.from(await request.readBody(bodySizeBytesMax)).toString()) as unknown;
  const changed = await changeObject(registry, writeRequest(context, resource), {
    next(current: CachedObject): KubeObject {
      const before = convertFromStored(resource, current.copy());
      const after = mergePatch(before, patch) as Record<string, unknown>;
      return toStoredVersion(
        resource,
        decodeAs(resource, { value: after, problems: [] }, fieldValidationOf(context), context.warnings),
      );
    },
  });
  return { type: 'object', status: 200, resource, object: changed };
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  const merged = base as Record<string, unknown>;
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

export type { ApiRequest };
export { badRequest, mediaTypeOf, unsupportedMediaType };

/** Patch: JSON patch, merge patch, strategic merge patch, on the object in the version that the client speaks. */

import type { KubeObject } from '../../../api/meta.ts';
import { bodySizeBytesMax } from '../../../api/schema/body/body.ts';
import { cloneJson } from '../../../api/schema/json-value.ts';
import {
  checkPatch,
  type JsonPatchFormat,
  type ParsedPatch,
  parsePatch,
} from '../../../api/schema/patch/patch.ts';
import { invalid, StatusError, unsupportedMediaType } from '../../../api/status.ts';
import { forbiddenField } from '../../../api/validation/field-error.ts';
import { inStep } from '../../../base/async/turns.ts';
import type { JsonObject } from '../../../base/json-object.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import { mediaTypeOf, toStoredVersion } from '../conversion/codec.ts';
import { convertFromStored, shownAsStored } from '../conversion/conversion.ts';
import { converting } from '../conversion/version-converter.ts';
import type { ServedResource } from '../kind-registry.ts';
import { requireVersion } from '../preconditions.ts';
import { type Registry, readCurrent } from '../registry.ts';
import { checkIdentity, fieldValidationOf, writeRequest } from '../request-options.ts';
import { applyObject } from './apply.ts';
import { changeObject } from './update.ts';

const formats: Readonly<Record<string, JsonPatchFormat>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

export const applyMediaType = 'application/apply-patch+yaml';

export async function patchObject(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const mediaType = mediaTypeOf(context.request.header('content-type'));
  if (mediaType === applyMediaType) return applyObject(registry, context, resource);
  const patch = await readPatch(context, {
    takesStrategic: !resource.isCustom,
    target: { registry, resource },
  });
  const validation = fieldValidationOf(context);
  const request = writeRequest(context, resource);
  const isOfStatus = request.subresource === 'status';
  const before = (current: CachedObject) =>
    isOfStatus && patch.format === 'strategic' && isShownAsStored(resource)
      ? withOwnMetadata(current.object, patch)
      : (shownAsStored(resource, current) ?? convertFromStored(resource, current.copy()));
  const patched = async (current: CachedObject, attempt: number): Promise<KubeObject> => {
    const shown = await inStep(request, () => before(current));
    const { object, warnings } = await inStep(request, () => resource.codec.patch(shown, patch, validation));
    if (attempt === 0) for (const warning of warnings) context.warnings.push(warning);
    checkIdentity(request, object);
    // A patch without a resourceVersion applies to whatever is stored.
    requireVersion(resource, object.metadata);
    const meta = object.metadata as { resourceVersion?: string };
    if (meta.resourceVersion === String(current.revision)) delete meta.resourceVersion;
    return inStep(request, () => toStoredVersion(resource, object));
  };
  const changed = await changeObject(registry, request, {
    isPatch: true,
    next: (current, attempt) => converting(() => patched(current, attempt), context.warnings),
  });
  return { type: 'object', status: 200, resource, object: changed };
}

function isShownAsStored({ served, isCustom }: ServedResource): boolean {
  return !served && !isCustom;
}

/**
 * The object with metadata that may be changed, and everything else shared: a patch of the status does not touch that.
 * Managed fields cannot be set through a subresource; they are computed from the stored ones. Metadata that the patch
 * changes are copied when it is applied.
 */
function withOwnMetadata(object: KubeObject, { patch }: { patch: JsonObject }): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: patch.metadata === undefined ? cloneJson(metadata) : metadata };
}

/** What is patched. */
interface PatchTarget {
  registry: Registry;
  resource: ServedResource;
}

/** Of what is not there, that is said first, whatever the patch looks like. */
async function parsedPatch(
  context: RequestContext,
  format: JsonPatchFormat,
  { registry, resource }: PatchTarget,
): Promise<ParsedPatch> {
  const bytes = await context.request.readBody(bodySizeBytesMax);
  try {
    return await inStep(context, () => parsePatch(bytes, format));
  } catch (error) {
    await readCurrent(registry, resource, context.info.namespace, context.info.name);
    throw error;
  }
}

/** Any patch but an apply. @throws StatusError 400, 404, 413, 415, 422 */
export async function readPatch(
  context: RequestContext,
  { takesStrategic, target }: { takesStrategic: boolean; target: PatchTarget },
): Promise<ParsedPatch> {
  const { request } = context;
  if (request.query.has('force'))
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      forbiddenField('force', 'may not be specified for non-apply patch'),
    ]);
  const mediaType = mediaTypeOf(request.header('content-type'));
  const format = formats[mediaType];
  if (!format || (format === 'strategic' && !takesStrategic)) {
    if (!format && takesStrategic)
      throw new StatusError(415, 'UnsupportedMediaType', '415: Unsupported Media Type', { details: {} });
    const supported = Object.keys(formats).filter((type) => formats[type] !== 'strategic');
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${[...supported, applyMediaType].join(', ')}`,
    );
  }
  const patch = request.localBody
    ? checkPatch(request.localBody.value, format)
    : await parsedPatch(context, format, target);
  context.requestObject = patch.format === 'json' ? patch.operations : patch.patch;
  return patch;
}

/**
 * Server-side apply: the client states what it wants of an object, and the object remembers who wanted which fields.
 */

import type { KubeObject } from '../../../api/meta.ts';
import { bodySizeBytesMax, parseApplyBody, UnreadableBody } from '../../../api/schema/body/body.ts';
import { applyConfigInSteps, unreadableMerge } from '../../../api/schema/patch/apply.ts';
import { conflict, invalid, notFound, StatusError } from '../../../api/status.ts';
import { required } from '../../../api/validation/field-error.ts';
import { inStep, inSteps } from '../../../base/async/turns.ts';
import type { JsonObject } from '../../../base/json-object.ts';
import { isTrue } from '../../../base/text/query-boolean.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import { decodeAs, toStoredVersion } from '../conversion/codec.ts';
import { convertFromStored } from '../conversion/conversion.ts';
import { yamlReader } from '../conversion/long-yaml.ts';
import { converting } from '../conversion/version-converter.ts';
import type { ServedResource } from '../kind-registry.ts';
import { ownershipOf } from '../managed-fields.ts';
import { cacheOf, type Registry, requireCreate, storageKey, type WriteRequest } from '../registry.ts';
import { checkIdentity, fieldValidationOf, writeRequest } from '../request-options.ts';
import { createObject } from './create.ts';
import { changeObject } from './update.ts';

/** Between checking for the object and the write, others may create or delete it. */
const attemptsMax = 5;

export async function applyObject(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const config = await readApplyConfig(context);
  const write = writeRequest(context, resource);
  const request = { registry, context, write, config };
  const key = storageKey(resource, write.namespace, write.name);
  for (let attempt = 1; ; attempt++) {
    if (!registry.view.isCurrent) await registry.view.caughtUp();
    const isThere = cacheOf(resource).get(key) !== undefined;
    try {
      if (isThere) return await applyToLive(request);
      if (write.subresource !== '') throw notFound(resource, write.name);
      await requireCreate(registry, write);
      return await applyAsNew(request);
    } catch (error) {
      const lostRace =
        error instanceof StatusError && error.reason === (isThere ? 'NotFound' : 'AlreadyExists');
      if (!lostRace || attempt === attemptsMax) throw error;
    }
  }
}

/** What the client applies. @throws StatusError 400, 413, 422 */
export async function readApplyConfig(context: RequestContext): Promise<JsonObject> {
  const { request } = context;
  if (!request.query.get('fieldManager'))
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      required('fieldManager', 'is required for apply patch'),
    ]);
  if (request.localBody) return request.localBody.value as JsonObject;
  const body = await request.readBody(bodySizeBytesMax);
  const validation = fieldValidationOf(context);
  const yaml = await yamlReader(body);
  const { config, warnings } = await inStep(context, () => parseApplyBody(body, validation, yaml));
  for (const warning of warnings) context.warnings.push(warning);
  context.requestObject = config;
  return config;
}

interface ApplyRequest {
  registry: Registry;
  context: RequestContext;
  write: WriteRequest;
  /** What the client applies. */
  config: JsonObject;
}

async function applyToLive(request: ApplyRequest): Promise<ApiResponse> {
  const { registry, context, write } = request;
  const { resource } = write;
  const changed = await changeObject(registry, write, {
    fieldsTracked: true,
    isPatch: true,
    async next(current: CachedObject) {
      const work = async () => {
        const live = await inStep(write, () => liveOf(resource, current));
        return applied(request, live);
      };
      const object = await converting(work, context.warnings);
      checkIdentity(write, object);
      const meta = object.metadata as { resourceVersion?: string };
      if (meta.resourceVersion === String(current.revision)) delete meta.resourceVersion;
      return object;
    },
  });
  return { type: 'object', status: 200, resource, object: changed };
}

/** A custom resource need not be copied: what is applied to it is decoded into a new object. */
function liveOf(resource: ServedResource, current: CachedObject): KubeObject {
  return convertFromStored(resource, resource.isCustom ? current.object : current.copy());
}

async function applyAsNew(request: ApplyRequest): Promise<ApiResponse> {
  const { registry, context, write, config } = request;
  const { resource, name } = write;
  const work = () => applied(request, undefined);
  const object = await converting(work, context.warnings);
  checkIdentity(write, object);
  const uid = (config.metadata as { uid?: string } | undefined)?.uid;
  if (uid) {
    const why = `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`;
    throw conflict(resource, name, why);
  }
  delete (object.metadata as { resourceVersion?: string }).resourceVersion;
  const created = await createObject(registry, write, object, { fieldsTracked: true });
  return { type: 'object', status: 201, resource, object: created };
}

/** The merged object, decoded, defaulted and in the stored version. */
async function applied(
  { registry, context, write, config }: ApplyRequest,
  live: KubeObject | undefined,
): Promise<KubeObject> {
  const { resource } = write;
  const steps = applyConfigInSteps(live as JsonObject | undefined, config, {
    ...ownershipOf(registry, write),
    kind: resource.kind,
    force: isTrue(context.request.query.get('force')),
  });
  const parsed = { value: await inSteps(write, steps), problems: [] };
  const validation = fieldValidationOf(context);
  const decoded = await inStep(write, () => {
    try {
      return decodeAs(resource, parsed, validation, context.warnings);
    } catch (error) {
      throw error instanceof UnreadableBody ? unreadableMerge(config, error.why) : error;
    }
  });
  return await inStep(write, () => toStoredVersion(resource, decoded, { keepsNulls: true }));
}

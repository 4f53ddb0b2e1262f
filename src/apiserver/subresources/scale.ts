/** The scale subresource: the number of replicas of anything that has one, as an `autoscaling/v1` Scale. */

import { ageColumn, countColumn, nameColumn } from '../../api/kinds/columns.ts';
import type { Column } from '../../api/kinds/kind.ts';
import type { KubeObject, ManagedFieldsEntry } from '../../api/meta.ts';
import { decodeParsed } from '../../api/schema/body/body.ts';
import { type FieldSet, setOf } from '../../api/schema/fields/field-set.ts';
import { applyConfig } from '../../api/schema/patch/apply.ts';
import { applyPatch } from '../../api/schema/patch/patch.ts';
import { formatTime } from '../../api/schema/time.ts';
import { conflict, internalError, invalid, methodNotAllowed, StatusError } from '../../api/status.ts';
import { invalidValue } from '../../api/validation/field-error.ts';
import { isTrue } from '../../base/text/query-boolean.ts';
import { nestedCount, nestedString, setNestedValue } from '../custom-resources/nested-value.ts';
import { mediaTypeOf, readParsedBody } from '../registry/conversion/codec.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { type Registry, readCurrent, type WriteRequest } from '../registry/registry.ts';
import { checkIdentity, fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import { readApplyConfig } from '../registry/verbs/apply.ts';
import { applyMediaType, readPatch } from '../registry/verbs/patch.ts';
import { changeObject } from '../registry/verbs/update.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
import { parentFields, scaleApiVersion, scaleFields } from './scale-fields.ts';
import { selectorText } from './selector-text.ts';

export const scaleType = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
const scaleSchema = 'io.k8s.api.autoscaling.v1.Scale';

export interface Scale extends KubeObject {
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

export async function serveScale(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const { info } = context;
  if (info.verb === 'get') {
    const scaled = await readCurrent(registry, resource, info.namespace, info.name);
    requireReplicas(resource, scaled);
    return answer(scaleOf(resource, scaled));
  }
  if (info.verb !== 'update' && info.verb !== 'patch') throw methodNotAllowed();
  const write = writeRequest(context, resource);
  const isApply =
    info.verb === 'patch' && mediaTypeOf(context.request.header('content-type')) === applyMediaType;
  const wanted = isApply
    ? await readScaleApply(registry, context, write)
    : await (info.verb === 'update' ? readScale(context, write) : readScalePatch(context, write));
  const replicas = fieldAt(resource.definition.scale!.specReplicas);
  const changed = await changeObject(registry, write, {
    // Admission handles the scale; nothing else of the object changes.
    checks: 'validity',
    fieldsTracked: isApply,
    prepare: () => undefined,
    async next(current) {
      const old = scaleOf(resource, current);
      const live = isApply ? withManagedFields(old, scaleFields(current.object, replicas)) : old;
      const asked = wanted(live);
      const scale = await admitScale(registry, write, asked, old);
      const next = withScale(resource, current, scale);
      if (!isApply) return next;
      return withManagedFields(
        next,
        parentFields(current.object, asked, { replicas, apiVersion: resource.apiVersion }),
      );
    },
  });
  return answer(scaleOf(resource, changed));
}

/** Webhooks and policies see the scale itself, with the resource that it belongs to. */
function admitScale(registry: Registry, request: WriteRequest, object: Scale, old: Scale): Promise<Scale> {
  return registry.admission.admitPart({
    operation: 'UPDATE',
    request,
    object,
    objectKind: scaleType,
    old,
    name: request.name,
  });
}

function withManagedFields<T extends KubeObject>(object: T, entries: ManagedFieldsEntry[] | undefined): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(entries && { managedFields: entries }) } };
}

/** `.spec.replicas` as a set of that one field. */
function fieldAt(path: string): FieldSet {
  return setOf(
    path
      .split('.')
      .filter((part) => part !== '')
      .map((name) => `f:${name}`),
  )!;
}

/** A custom resource without a number of replicas has no scale. @throws StatusError 500 */
function requireReplicas({ isCustom, definition }: ServedResource, { object }: CachedObject): void {
  const { specReplicas } = definition.scale!;
  if (isCustom && 'absent' in nestedCount(object, specReplicas))
    throw internalError(`the spec replicas field ".${specReplicas}" does not exist`);
}

const columns = [
  nameColumn,
  {
    ...countColumn<Scale>('Desired', ({ spec }) => spec.replicas ?? 0),
    description: 'Number of desired replicas',
  },
  {
    ...countColumn<Scale>('Available', ({ status }) => status.replicas),
    description: 'Number of actual replicas',
  },
  ageColumn,
] as readonly Column[];

function answer(scale: Scale): ApiResponse {
  return { type: 'plain', status: 200, object: { ...scale }, columns };
}

function scaleOf(resource: ServedResource, current: CachedObject): Scale {
  const { scale } = resource.definition;
  if (!scale) throw new Error(`${resource.plural} cannot be scaled`);
  const object = current.object;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = countAt(object, scale.specReplicas);
  const selector = selectorOf(resource, object);
  return {
    kind: scaleType.kind,
    apiVersion: scaleApiVersion,
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp },
    spec: { ...(replicas !== 0 && { replicas }) },
    status: {
      replicas: countAt(object, scale.statusReplicas),
      ...(selector && { selector }),
    },
  };
}

/** A custom resource says where its selector is, if it has one. */
function selectorOf({ isCustom, definition }: ServedResource, object: KubeObject): string {
  if (!isCustom) return selectorText((object as { spec?: { selector?: unknown } }).spec?.selector);
  const path = definition.scale!.labelSelector;
  const found = path && nestedString(object, path);
  return found && 'value' in found ? found.value : '';
}

function withScale(resource: ServedResource, current: CachedObject, wanted: Scale): KubeObject {
  const { name } = current.object.metadata;
  const replicas = wanted.spec?.replicas ?? 0;
  // Of custom resources the definition says where replicas are, and its own rules are held against them.
  if (replicas < 0 && !resource.isCustom)
    throw invalid(scaleType, name, [
      invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  const object = current.copy();
  const version = wanted.metadata?.resourceVersion;
  if (version) object.metadata.resourceVersion = version;
  else delete (object.metadata as { resourceVersion?: string }).resourceVersion;
  if (wanted.metadata?.uid) object.metadata.uid = wanted.metadata.uid;
  const problem = setNestedValue(object, resource.definition.scale!.specReplicas, replicas);
  if (problem) throw new StatusError(500, '', problem);
  return object;
}

async function readScale(context: RequestContext, write: WriteRequest): Promise<(current: Scale) => Scale> {
  const { request } = context;
  const parsed = await readParsedBody(request, { kind: scaleType.kind, schema: scaleSchema });
  context.requestObject = parsed.value;
  const { object } = decodeParsed<Scale & Record<string, unknown>>(
    parsed,
    scaleSchema,
    scaleType,
    fieldValidationOf(context),
  );
  object.metadata ??= {} as Scale['metadata'];
  checkIdentity(write, object);
  return () => object;
}

async function readScalePatch(
  context: RequestContext,
  write: WriteRequest,
): Promise<(current: Scale) => Scale> {
  const patch = await readPatch(context, { takesStrategic: true });
  return (current) => {
    const target = { schema: scaleSchema, expected: scaleType, validation: fieldValidationOf(context) };
    const { object: patched, warnings } = applyPatch<Scale & Record<string, unknown>>(
      { ...current },
      patch,
      target,
    );
    // Another attempt warns of the same.
    for (const warning of warnings) if (!write.warnings.includes(warning)) write.warnings.push(warning);
    checkIdentity(write, patched);
    requireSame(write, patched, current);
    if (patched.metadata.resourceVersion === current.metadata.resourceVersion)
      delete (patched.metadata as { resourceVersion?: string }).resourceVersion;
    return patched;
  };
}

/** @throws StatusError 409 when the patch was meant for another object of that name */
function requireSame({ resource, name }: WriteRequest, { metadata }: Scale, current: Scale): void {
  const { uid } = current.metadata;
  if (metadata.uid === uid) return;
  throw conflict(
    partOf(resource),
    name,
    `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid}`,
  );
}

/** As errors name it. */
function partOf({ group, plural }: ServedResource) {
  return { group, plural: `${plural}/scale` };
}

/** The owners of the number come from the object's managed fields; those of a scale live as long as the request. */
async function readScaleApply(
  registry: Registry,
  context: RequestContext,
  write: WriteRequest,
): Promise<(current: Scale) => Scale> {
  const config = await readApplyConfig(context);
  return (current) => {
    const merged = applyConfig({ ...current }, config, {
      schema: scaleSchema,
      apiVersion: scaleApiVersion,
      kind: scaleType.kind,
      subresource: 'scale',
      manager: write.fieldManager,
      time: formatTime(registry.clock.now()),
      force: isTrue(context.request.query.get('force')),
    });
    const { object } = decodeParsed<Scale & Record<string, unknown>>(
      { value: merged, problems: [] },
      scaleSchema,
      scaleType,
      fieldValidationOf(context),
    );
    checkIdentity(write, object);
    if (object.metadata.resourceVersion === current.metadata.resourceVersion)
      delete (object.metadata as { resourceVersion?: string }).resourceVersion;
    return object;
  };
}

/** A value that is not a number, in an object that an older definition allowed, counts as absent. */
function countAt(object: unknown, path: string): number {
  const found = nestedCount(object, path);
  return 'value' in found ? Number(found.value) : 0;
}

/** The scale subresource: the number of replicas of anything that has one, as an `autoscaling/v1` Scale. */

import { ageColumn, countColumn, nameColumn } from '../../api/columns.ts';
import { invalidValue } from '../../api/field-error.ts';
import type { Column } from '../../api/kind.ts';
import type { KubeObject } from '../../api/meta.ts';
import { bodySizeBytesMax, decodeParsed } from '../../api/schema/body.ts';
import { applyPatch, checkPatch, parsePatch } from '../../api/schema/patch.ts';
import {
  badRequest,
  invalid,
  methodNotAllowed,
  notFound,
  StatusError,
  unsupportedMediaType,
} from '../../api/status.ts';
import { mediaTypeOf, readParsedBody } from '../registry/codec.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import { type Registry, readCurrent } from '../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../registry/request-options.ts';
import { changeObject } from '../registry/update.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { CachedObject } from '../watch-cache/cached-object.ts';
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
  if (info.verb === 'get') return answer(scaleOf(resource, await readScaled(registry, context, resource)));
  if (info.verb !== 'update' && info.verb !== 'patch') throw methodNotAllowed();
  const wanted = info.verb === 'update' ? await readScale(context) : await readScalePatch(context);
  const changed = await changeObject(registry, writeRequest(context, resource), {
    next: (current) => withScale(resource, current, wanted(scaleOf(resource, current))),
    prepare: () => undefined,
  });
  return answer(scaleOf(resource, changed));
}

/** What is not there is not found as a scale, in upstream's words. */
async function readScaled(
  registry: Registry,
  { info }: RequestContext,
  resource: ServedResource,
): Promise<CachedObject> {
  try {
    return await readCurrent(registry, resource, info.namespace, info.name);
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
    throw notFound({ group: resource.group, plural: `${resource.plural}/scale` }, info.name);
  }
}

const columns: readonly Column[] = [
  nameColumn,
  countColumn<Scale>('Desired', ({ spec }) => spec.replicas ?? 0),
  countColumn<Scale>('Available', ({ status }) => status.replicas),
  ageColumn,
] as readonly Column[];

function answer(scale: Scale): ApiResponse {
  return { type: 'plain', status: 200, object: { ...scale }, columns };
}

export function scaleOf(resource: ServedResource, current: CachedObject): Scale {
  const { scale } = resource.definition;
  if (!scale) throw new Error(`${resource.plural} cannot be scaled`);
  const object = current.object;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = Number(valueAt(object, scale.specReplicas) ?? 0);
  const chosen = valueAt(object, scale.labelSelector ?? '.spec.selector');
  const selector = typeof chosen === 'string' ? chosen : selectorText(chosen);
  return {
    kind: scaleType.kind,
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace && { namespace }), uid, resourceVersion, creationTimestamp },
    spec: { ...(replicas !== 0 && { replicas }) },
    status: {
      replicas: Number(valueAt(object, scale.statusReplicas) ?? 0),
      ...(selector && { selector }),
    },
  };
}

function withScale(resource: ServedResource, current: CachedObject, wanted: Scale): KubeObject {
  const { name } = current.object.metadata;
  const replicas = wanted.spec?.replicas ?? 0;
  if (replicas < 0)
    throw invalid(scaleType, name, [
      invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  const object = current.copy();
  const version = wanted.metadata?.resourceVersion;
  if (version) object.metadata.resourceVersion = version;
  else delete (object.metadata as { resourceVersion?: string }).resourceVersion;
  if (wanted.metadata?.uid) object.metadata.uid = wanted.metadata.uid;
  setAt(object, resource.definition.scale!.specReplicas, replicas);
  return object;
}

async function readScale(context: RequestContext): Promise<(current: Scale) => Scale> {
  const { request, info } = context;
  const parsed = await readParsedBody(request, { kind: scaleType.kind, schema: scaleSchema });
  const { object } = decodeParsed<Scale & Record<string, unknown>>(
    parsed,
    scaleSchema,
    scaleType,
    fieldValidationOf(context),
  );
  const name = object.metadata?.name;
  if (name && name !== info.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  return () => object;
}

const patchFormats: Readonly<Record<string, 'json' | 'merge' | 'strategic'>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

async function readScalePatch(context: RequestContext): Promise<(current: Scale) => Scale> {
  const { request } = context;
  const format = patchFormats[mediaTypeOf(request.header('content-type'))];
  if (!format)
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchFormats).join(', ')}`,
    );
  const patch = request.localBody
    ? checkPatch(request.localBody.value, format)
    : parsePatch(await request.readBody(bodySizeBytesMax), format);
  return (current) => {
    const patched = applyPatch<Scale & Record<string, unknown>>(
      { ...current },
      patch,
      scaleSchema,
      scaleType,
      fieldValidationOf(context),
    ).object;
    if (patched.metadata.resourceVersion === current.metadata.resourceVersion)
      delete (patched.metadata as { resourceVersion?: string }).resourceVersion;
    return patched;
  };
}

/** `.spec.replicas` and the like. */
function valueAt(object: unknown, path: string): unknown {
  let value = object as Record<string, unknown> | undefined;
  for (const part of partsOf(path)) value = value?.[part] as Record<string, unknown> | undefined;
  return value;
}

function setAt(object: unknown, path: string, value: unknown): void {
  const parts = partsOf(path);
  let target = object as Record<string, unknown>;
  for (const part of parts.slice(0, -1)) {
    target[part] ??= {};
    target = target[part] as Record<string, unknown>;
  }
  target[parts.at(-1)!] = value;
}

function partsOf(path: string): string[] {
  return path.split('.').filter((part) => part !== '');
}

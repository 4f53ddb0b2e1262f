/** From a request to the registry's answer: one function per verb of the generic path. */

import type { KubeObject } from '../../api/meta.ts';
import { badRequest, methodNotAllowed, StatusError } from '../../api/status.ts';
import type { ApiResponse, RequestContext } from '../request.ts';
import type { ServedResource } from './kind-registry.ts';
import { requireVersion } from './preconditions.ts';
import { type Registry, readCurrent, requireCreate } from './registry.ts';
import { checkIdentity, numberOf, readObject, writeRequest } from './request-options.ts';
import { createObject } from './verbs/create.ts';
import { deleteObject } from './verbs/delete.ts';
import { deleteCollection } from './verbs/delete-collection.ts';
import { readDeleteOptionsOf } from './verbs/delete-options.ts';
import { listObjects } from './verbs/list.ts';
import { readListRequest } from './verbs/list-request.ts';
import { patchObject } from './verbs/patch.ts';
import { parseReadRevision, waitUntilFresh } from './verbs/read-revision.ts';
import { changeObject } from './verbs/update.ts';
import { startWatch } from './verbs/watch.ts';

/** Answers a request for a resource or for its status; other subresources have handlers of their own. */
export function serveResource(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> | ApiResponse {
  const { info } = context;
  if (!resource.verbs.has(info.verb)) throw methodNotAllowed();
  if (info.name === '' && namedVerbs.has(info.verb)) throw methodNotAllowed();
  if (info.name === '.' || info.name === '..')
    throw badRequest(`Name parameter invalid: "${info.name}": may not be '${info.name}'`);
  switch (info.verb) {
    case 'get':
      return get(registry, context, resource);
    case 'list':
      return list(registry, context, resource);
    case 'watch':
      if (context.request.method !== 'GET') throw methodNotAllowed();
      return startWatch(registry, context, resource);
    case 'create':
      return create(registry, context, resource);
    case 'update':
      return update(registry, context, resource);
    case 'patch':
      return patchObject(registry, context, resource);
    case 'delete':
      return remove(registry, context, resource);
    case 'deletecollection':
      // A collection is emptied in one namespace, never in all.
      if (resource.namespaced && info.namespace === '') throw methodNotAllowed();
      return deleteCollection(registry, context, resource);
    default:
      throw methodNotAllowed();
  }
}

/** What is done to one object needs its name. */
const namedVerbs = new Set(['update', 'patch']);

/** What clients of long ago ask for. @throws StatusError 400 */
function refuseExport(query: URLSearchParams): void {
  const wanted = query.get('export');
  if (wanted === null || ['0', 'false'].includes(wanted.toLowerCase())) return;
  throw badRequest('the export parameter, deprecated since v1.14, is no longer supported');
}

async function get(
  registry: Registry,
  { info, request }: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  refuseExport(request.query);
  const asked = request.query.get('resourceVersion');
  if (asked && parseReadRevision(asked) > 0) await waitUntilFresh(registry, asked);
  const object = await readCurrent(registry, resource, info.namespace, info.name);
  return { type: 'object', status: 200, resource, object };
}

async function list(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const { query } = context.request;
  // Said by clients of watches; a list only has to be able to read it.
  numberOf(query, 'timeoutSeconds');
  const outcome = await listObjects(registry, readListRequest(context, resource));
  return { type: 'list', resource, ...outcome };
}

async function create(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const { name, namespace } = context.info;
  if (name !== '' || (resource.namespaced && namespace === '')) throw methodNotAllowed();
  const request = writeRequest(context, resource);
  const object = await readObject(context, resource);
  const created = await createObject(registry, request, object);
  return { type: 'object', status: 201, resource, object: created };
}

async function update(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const request = writeRequest(context, resource);
  const object = await readObject(context, resource);
  checkIdentity(request, object);
  const { definition } = resource;
  const { name, uid, resourceVersion } = object.metadata;
  try {
    const changed = await changeObject(registry, request, {
      // In a second attempt the first has changed the object: the server's own fields are set again.
      next(_current, attempt) {
        requireVersion(resource, { name, resourceVersion });
        return attempt === 0 ? object : structuredClone(object);
      },
    });
    return { type: 'object', status: 200, resource, object: changed };
  } catch (error) {
    const mayCreate = definition.createsOnUpdate && request.subresource === '' && !uid;
    if (!mayCreate || !(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
    await requireCreate(registry, request);
    // A version of what is no longer there says nothing about what is made anew.
    delete (object.metadata as { resourceVersion?: string }).resourceVersion;
    const created = await createObject(registry, request, object);
    return { type: 'object', status: 201, resource, object: created };
  }
}

async function remove(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const options = await readDeleteOptionsOf(context, resource);
  const request = { ...writeRequest(context, resource), ...options, dryRun: options.dryRun };
  const { object, isGone } = await deleteObject(registry, request);
  if (!isGone || resource.definition.returnsDeleted) return { type: 'object', status: 200, resource, object };
  return { type: 'plain', status: 200, object: deletedStatus(resource, object.object) };
}

function deletedStatus(resource: ServedResource, object: KubeObject): Record<string, unknown> {
  const { name, uid } = object.metadata;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(resource.group && { group: resource.group }), kind: resource.plural, uid },
  };
}

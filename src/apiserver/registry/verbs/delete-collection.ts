/** Deletecollection: a list, and a delete of each of its objects. */
import { StatusError } from '../../../api/status.ts';
import { allEnded } from '../../../base/async/all-ended.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';
import type { CachedObject } from '../../watch-cache/cached-object.ts';
import type { ServedResource } from '../kind-registry.ts';
import type { Registry } from '../registry.ts';
import { writeRequest } from '../request-options.ts';
import { deleteObject } from './delete.ts';
import { readDeleteOptionsOf } from './delete-options.ts';
import { listObjects } from './list.ts';
import { checkListOptions, readListRequest } from './list-request.ts';

/** Deletes under way at the same time within one request. */
const parallelDeletes = 16;

export async function deleteCollection(
  registry: Registry,
  context: RequestContext,
  resource: ServedResource,
): Promise<ApiResponse> {
  const listRequest = readListRequest(context, resource);
  checkListOptions(listRequest);
  const options = await readDeleteOptionsOf(context, resource);
  const { items, ...rest } = await listObjects(registry, listRequest);
  const base = { ...writeRequest(context, resource), ...options };
  // One iterator for all: each takes the next object.
  const queue = items.values();
  const deleteNext = async (): Promise<void> => {
    for (const object of queue) await deleteOne(registry, base, object);
  };
  await allEnded(Array.from({ length: parallelDeletes }, deleteNext));
  return { type: 'list', resource, items, ...rest };
}

/** An object that is already gone is what the client asked for. */
async function deleteOne(
  registry: Registry,
  base: Parameters<typeof deleteObject>[1],
  object: CachedObject,
): Promise<void> {
  const { name, namespace = '' } = object.object.metadata;
  try {
    await deleteObject(registry, { ...base, name, namespace });
  } catch (error) {
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
  }
}

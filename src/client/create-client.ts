/** The client over any transport: typed calls become requests, failed answers become errors. */
import { apiVersionOf, type Draft, type KubeList, type KubeObject, type ResourceType } from '../api/meta.ts';
import { type Status, StatusError } from '../api/status.ts';
import type {
  Client,
  DeleteOptions,
  ListQuery,
  ObjectName,
  PatchOptions,
  PatchType,
  SubresourceOptions,
  WatchEvent,
  WatchQuery,
  WriteOptions,
} from './client.ts';
import { Reachability } from './transport/reachability.ts';
import { queryString, resourcePath } from './transport/request-path.ts';
import {
  type Transport,
  TransportError,
  type TransportRequest,
  type TransportResponse,
} from './transport/transport.ts';

const patchContentTypes: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

const metadataOf = (kind: string) => `application/json;as=${kind};g=meta.k8s.io;v=v1,application/json`;

type Ask = (request: TransportRequest) => Promise<TransportResponse>;
/** Resolves with the object of the answer. @throws StatusError for an answer that is a failure. */
type Send = (request: TransportRequest) => Promise<unknown>;

/** `fieldManager`: named as the manager of fields in every write that does not name one itself. */
export function createClient(transport: Transport, options: { fieldManager?: string } = {}): Client {
  const reachability = new Reachability();
  const ask: Ask = (request) => noted(transport.send(request), reachability);
  const send: Send = (request) => ask(request).then(objectOf);
  return {
    reachability,
    ...readCalls(ask, send),
    ...writeCalls(send, options.fieldManager),
    ...deleteCalls(send),
    async raw<Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal) {
      return (await send({ method: method as TransportRequest['method'], path, body, signal })) as Answer;
    },
  };
}

function readCalls(ask: Ask, send: Send): Pick<Client, 'get' | 'list' | 'watch'> {
  return {
    async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal) {
      return (await send({ method: 'GET', path: resourcePath(type, at), signal })) as T;
    },

    async list<T extends KubeObject>(type: ResourceType<T>, query: ListQuery = {}, signal?: AbortSignal) {
      const { namespace, metadataOnly, ...rest } = query;
      const path = resourcePath(type, { namespace }) + queryString({ ...rest });
      const accept = metadataOnly ? metadataOf('PartialObjectMetadataList') : undefined;
      return (await send({ method: 'GET', path, accept, signal })) as KubeList<T>;
    },

    watch: <T extends KubeObject>(type: ResourceType<T>, query: WatchQuery, signal: AbortSignal) =>
      watchEvents<T>(ask, type, query, signal),
  };
}

function writeCalls(
  send: Send,
  fieldManager: string | undefined,
): Pick<Client, 'create' | 'update' | 'patch' | 'createSubresource'> {
  const writeQuery = (write: WriteOptions & { force?: boolean } = {}) =>
    queryString({
      fieldManager: write.fieldManager ?? fieldManager,
      dryRun: write.dryRun ? 'All' : undefined,
      force: write.force,
    });
  return {
    async create<T extends KubeObject>(type: ResourceType<T>, object: Draft<T>, write?: WriteOptions) {
      const at = { namespace: object.metadata.namespace, subresource: write?.subresource };
      const path = resourcePath(type, at) + writeQuery(write);
      return (await send({ method: 'POST', path, body: typed(type, object), signal: write?.signal })) as T;
    },

    async update<T extends KubeObject>(type: ResourceType<T>, object: T, write?: WriteOptions) {
      const { name, namespace } = object.metadata;
      const path =
        resourcePath(type, { namespace, name, subresource: write?.subresource }) + writeQuery(write);
      return (await send({ method: 'PUT', path, body: typed(type, object), signal: write?.signal })) as T;
    },

    async patch<T extends KubeObject>(
      type: ResourceType<T>,
      at: ObjectName,
      patch: unknown,
      how: PatchOptions,
    ) {
      const path = resourcePath(type, { ...at, subresource: how.subresource }) + writeQuery(how);
      const contentType = patchContentTypes[how.type];
      return (await send({ method: 'PATCH', path, contentType, body: patch, signal: how.signal })) as T;
    },

    async createSubresource<Body, Answer>(
      type: ResourceType,
      at: ObjectName,
      body: Body,
      { subresource, signal }: SubresourceOptions,
    ) {
      const path = resourcePath(type, { ...at, subresource }) + writeQuery();
      return (await send({ method: 'POST', path, body, signal })) as Answer;
    },
  };
}

function deleteCalls(send: Send): Pick<Client, 'delete' | 'deleteCollection'> {
  return {
    async delete(type, at, how = {}) {
      const path = resourcePath(type, at);
      await send({ method: 'DELETE', path, body: deleteBody(how), signal: how.signal });
    },

    async deleteCollection(type, query, how = {}) {
      const { namespace, metadataOnly: _, ...rest } = query;
      const path = resourcePath(type, { namespace }) + queryString({ ...rest });
      await send({ method: 'DELETE', path, body: deleteBody(how), signal: how.signal });
    },
  };
}

async function noted(
  answer: Promise<TransportResponse>,
  reachability: Reachability,
): Promise<TransportResponse> {
  try {
    const response = await answer;
    reachability.answered();
    return response;
  } catch (error) {
    if (error instanceof TransportError) reachability.failed();
    throw error;
  }
}

/** What a successful answer holds. @throws StatusError for any other. */
function objectOf(response: TransportResponse): unknown {
  if ('events' in response) throw new Error('a watch was answered to a request that asked for none');
  if (response.status < 400) return response.object;
  throw StatusError.from(statusOf(response.status, response.object));
}

function statusOf(code: number, object: unknown): Status {
  if (typeof object === 'object' && object !== null && (object as Status).kind === 'Status')
    return object as Status;
  const message = typeof object === 'string' && object ? object.trim() : `the server answered ${code}`;
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code };
}

async function* watchEvents<T extends KubeObject>(
  ask: Transport['send'],
  type: ResourceType<T>,
  query: WatchQuery,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const { namespace, metadataOnly, sendInitialEvents, ...rest } = query;
  const initial = sendInitialEvents && {
    sendInitialEvents,
    resourceVersionMatch: 'NotOlderThan',
    allowWatchBookmarks: true,
  };
  const path = resourcePath(type, { namespace }) + queryString({ watch: true, ...rest, ...initial });
  const accept = metadataOnly ? metadataOf('PartialObjectMetadata') : undefined;
  const response = await ask({ method: 'GET', path, accept, signal });
  if (!('events' in response)) {
    objectOf(response);
    throw new Error('a watch was answered with a single object');
  }
  for await (const event of response.events) {
    if (event.type === 'ERROR') throw StatusError.from(event.object);
    yield event as WatchEvent<T>;
  }
}

/** A body must say what it is; objects out of lists and drafts may not. */
function typed<T extends KubeObject>(type: ResourceType<T>, object: T | Draft<T>): unknown {
  if (object.apiVersion && object.kind) return object;
  return { ...object, apiVersion: apiVersionOf(type), kind: type.kind };
}

function deleteBody(how: DeleteOptions): unknown {
  const { gracePeriodSeconds, propagationPolicy, preconditions, dryRun } = how;
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy && { propagationPolicy }),
    ...(preconditions && { preconditions }),
    ...(dryRun && { dryRun: ['All'] }),
  };
}

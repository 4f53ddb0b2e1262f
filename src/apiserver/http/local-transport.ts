/** The transport of components in the server's own process: no sockets, no serialisation, the same layers. */

import { Readable } from 'node:stream';
import type { KubeObject } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { roundedIntegers } from '../../base/text/exact-json.ts';
import { isTrue } from '../../base/text/query-boolean.ts';
import type {
  Transport,
  TransportEvent,
  TransportRequest,
  TransportResponse,
} from '../../client/transport/transport.ts';
import { withAuthenticatedGroup } from '../authentication/authenticator.ts';
import type { RequestHandler } from '../handler.ts';
import { viewOf } from '../registry/conversion/conversion.ts';
import type { ServedResource } from '../registry/kind-registry.ts';
import {
  type ApiRequest,
  type ApiResponse,
  objectOf,
  type RequestContext,
  type UserInfo,
} from '../request.ts';
import { partialMetadata } from '../tables/table.ts';
import { CachedObject } from '../watch-cache/cached-object.ts';
import type { WatchedEvent } from '../watch-cache/selection.ts';
import {
  type BookmarkOptions,
  initialEventsEndAnnotation,
  type WatchSink,
} from '../watch-cache/watch-group.ts';
import { negotiate, type OutputFormat } from './response/negotiate.ts';

/** Events that wait for a local reader; beyond them it is cut off and must list again. */
const localBacklogEventsMax = 200_000;

export function createLocalTransport(
  handler: RequestHandler,
  user: UserInfo,
  closing: AbortSignal,
): Transport {
  const caller = withAuthenticatedGroup(user);
  return {
    async send(request: TransportRequest): Promise<TransportResponse> {
      const context = handler.contextOf(new LocalRequest(request, caller, closing));
      try {
        const answer = await handler.answer(context);
        return await present(answer, context);
      } catch (error) {
        if (error instanceof StatusError) return { status: error.code, object: error.status };
        throw error;
      }
    },
    close: () => undefined,
  };
}

class LocalRequest implements ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly query: URLSearchParams;
  readonly localUser: UserInfo;
  readonly localBody: { value: unknown } | undefined;
  readonly remoteAddress = '127.0.0.1';
  readonly #headers: Record<string, string | undefined>;
  readonly #signal: AbortSignal | undefined;
  readonly #closing: AbortSignal;

  constructor(request: TransportRequest, user: UserInfo, closing: AbortSignal) {
    const mark = request.path.indexOf('?');
    this.method = request.method;
    this.path = mark < 0 ? request.path : request.path.slice(0, mark);
    this.search = mark < 0 ? '' : request.path.slice(mark + 1);
    this.query = queryOf(this.search);
    this.localUser = user;
    this.localBody = request.body === undefined ? undefined : { value: request.body };
    this.#headers = {
      'content-type': request.contentType ?? 'application/json',
      accept: request.accept,
      'user-agent': user.name.slice(user.name.lastIndexOf(':') + 1),
    };
    this.#signal = request.signal;
    this.#closing = closing;
  }

  header(name: string): string | undefined {
    return this.#headers[name];
  }

  headers(): Record<string, string | undefined> {
    return this.#headers;
  }

  async readBody(): Promise<Uint8Array> {
    return this.localBody ? this.#text() : new Uint8Array();
  }

  bodyStream(): Readable {
    return Readable.from([this.#text()]);
  }

  #text(): Buffer {
    return Buffer.from(JSON.stringify(this.localBody?.value ?? null));
  }

  /** Created on demand: most requests are answered before they could be aborted. */
  get signal(): AbortSignal {
    return this.#signal ? AbortSignal.any([this.#signal, this.#closing]) : this.#closing;
  }
}

/** Parsed queries, which are never changed: writes of one component share the same. */
const queries = new Map<string, URLSearchParams>();
const queriesMax = 1_000;

function queryOf(search: string): URLSearchParams {
  let query = queries.get(search);
  if (!query) {
    query = new URLSearchParams(search);
    if (queries.size >= queriesMax) queries.clear();
    queries.set(search, query);
  }
  return query;
}

function present(
  answer: ApiResponse,
  { request, whenOver }: RequestContext,
): TransportResponse | Promise<TransportResponse> {
  const format = negotiate(request.header('accept'));
  switch (answer.type) {
    case 'object':
      return { status: answer.status, object: shown(answer.resource, answer.object, format) };
    case 'list':
      return {
        status: 200,
        object: {
          kind: `${answer.resource.kind}List`,
          apiVersion: answer.resource.apiVersion,
          metadata: {
            resourceVersion: String(answer.revision),
            ...(answer.continue && { continue: answer.continue }),
            ...(answer.remaining !== undefined && { remainingItemCount: answer.remaining }),
          },
          items: answer.items.map((item) => shown(answer.resource, item, format)),
        },
      };
    case 'plain':
      return { status: answer.status, object: answer.object };
    case 'raw':
      return { status: answer.status, object: parseRaw(Buffer.from(answer.body)) };
    case 'stream':
      answer.body.once('close', () => whenOver?.());
      return readAll(answer.body).then((body) => ({ status: answer.status, object: parseRaw(body) }));
    case 'watch': {
      const sink = new LocalSink(answer.resource, format, isTrue(request.query.get('allowWatchBookmarks')));
      const running = answer.session.run(sink);
      if (whenOver) void running.then(whenOver, whenOver);
      return { status: 200, events: sink.events(() => answer.session.close(), running) };
    }
    default:
      throw new Error(`the local transport cannot carry an answer of type ${answer.type}`);
  }
}

/** What another server answered, as a whole. */
async function readAll(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseRaw(body: Buffer): unknown {
  const text = body.toString();
  try {
    return JSON.parse(text);
  } catch {
    return text; // health checks and metrics are plain text
  }
}

function shown(
  resource: ServedResource,
  object: Parameters<typeof objectOf>[0],
  format: OutputFormat,
): KubeObject {
  const served =
    object instanceof CachedObject ? countable(object, viewOf(resource, object)) : objectOf(object);
  return format.as ? partialMetadata(served) : served;
}

/** Controllers calculate, and JavaScript does not mix bigints with numbers: they get what a network client would. */
function countable(cached: CachedObject, object: KubeObject): KubeObject {
  return cached.hasBigints ? roundedIntegers(object) : object;
}

/** Hands shared objects over; the reader pulls them. */
class LocalSink implements WatchSink {
  readonly format: string;
  readonly wantsBookmarks: boolean;
  readonly isRemote = false;
  readonly #resource: ServedResource;
  readonly #shape: OutputFormat;
  #queue: TransportEvent[] = [];
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(resource: ServedResource, shape: OutputFormat, wantsBookmarks: boolean) {
    this.#resource = resource;
    this.#shape = shape;
    this.format = `local,${resource.apiVersion},${shape.as}`;
    this.wantsBookmarks = wantsBookmarks;
  }

  encode(events: readonly WatchedEvent[]): TransportEvent[] {
    return events.map(({ type, object }) => ({ type, object: shown(this.#resource, object, this.#shape) }));
  }

  encodeBookmark(revision: number, { initialEventsEnd }: BookmarkOptions = {}): TransportEvent[] {
    const { kind, apiVersion } = this.#resource;
    const metadata = {
      resourceVersion: String(revision),
      ...(initialEventsEnd && { annotations: { [initialEventsEndAnnotation]: 'true' } }),
    };
    return [{ type: 'BOOKMARK', object: { kind, apiVersion, metadata } as KubeObject }];
  }

  deliver(encoded: TransportEvent[]): void {
    if (this.#isEnded) return;
    for (const event of encoded) this.#queue.push(event);
    if (this.#queue.length > localBacklogEventsMax) {
      this.#queue = [];
      this.#isEnded = true;
    }
    this.#notify();
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  end(error?: unknown): void {
    if (error instanceof StatusError && !this.#isEnded)
      this.#queue.push({ type: 'ERROR', object: error.status });
    this.#isEnded = true;
    this.#notify();
  }

  async *events(close: () => void, running: Promise<void>): AsyncGenerator<TransportEvent, void, undefined> {
    try {
      for (;;) {
        const batch = this.#queue;
        this.#queue = [];
        // One by one: to delegate to an array costs several promises for each event.
        for (const event of batch) yield event;
        if (this.#queue.length > 0) continue;
        if (this.#isEnded) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      close();
      await running;
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

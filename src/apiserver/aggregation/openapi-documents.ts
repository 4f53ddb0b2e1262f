/**
 * The OpenAPI documents of aggregated servers: where those of OpenAPI 3 are, and those of OpenAPI 2 themselves. A server
 * that has only the latter is given the former, made of them.
 */
import { createHash } from 'node:crypto';
import { onlyPaths } from '../../api/openapi/foreign-v2.ts';
import type { JsonSchema } from '../../api/openapi/source.ts';
import { encodeOpenApiV2 } from '../../api/openapi/v2-protobuf.ts';
import { openApiV3Of } from '../../api/openapi/v2-to-v3.ts';
import { encodeOpenApiV3 } from '../../api/openapi/v3-protobuf.ts';
import type { APIService } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ForeignDocument } from '../discovery/openapi.ts';
import { askBackend, type BackendAnswer } from './ask-backend.ts';
import type { BackendOptions } from './backend.ts';

/** How long what was read counts. */
const refreshIntervalMs = 60_000;
const readTimeoutMs = 60_000;
const reader = { name: 'system:aggregator', groups: [] };

export interface OpenApiDocumentsOptions extends BackendOptions {
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}

/** What is known of one server's documents. */
interface Known {
  /** The APIService that they were read for; another one of the same name may be of another server. */
  uid: string | undefined;
  readAtMs: number;
  /** By the path of the document, such as `apis/wardle.example.com/v1`. */
  urls: ReadonlyMap<string, string>;
  /** Of OpenAPI 2, reduced to the APIService's group version. */
  v2?: ForeignDocument & { etag: string | undefined };
  /** Of OpenAPI 3, made of that of OpenAPI 2. */
  converted?: ForeignDocument;
}

export class OpenApiDocuments {
  readonly #options: OpenApiDocumentsOptions;
  /** By the APIService's name. */
  readonly #known = new Map<string, Known>();
  readonly #reading = new Set<string>();

  constructor(options: OpenApiDocumentsOptions) {
    this.#options = options;
  }

  /** What is known is kept while a server does not answer. */
  of(name: string): Readonly<Known> | undefined {
    return this.#known.get(name);
  }

  /** Forgets the documents of APIServices that are gone. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }

  /** Reads them in the background when it is time to. A server need not have any, and is available nevertheless. */
  refresh(service: APIService): void {
    const { clock, logger } = this.#options;
    const { name, uid } = service.metadata;
    const known = this.#known.get(name);
    const isRecent = known?.uid === uid && clock.now() - known!.readAtMs < refreshIntervalMs;
    if (isRecent || this.#reading.has(name)) return;
    this.#reading.add(name);
    this.#read(service, known?.uid === uid ? known : undefined)
      .then((now) => this.#known.set(name, now))
      .catch((error: unknown) => logger.error('reading OpenAPI documents failed', { name, error }))
      .finally(() => this.#reading.delete(name));
  }

  /** What cannot be read now is as it was before. */
  async #read(service: APIService, before: Known | undefined): Promise<Known> {
    const { clock, logger, signal: ended } = this.#options;
    const { name, uid } = service.metadata;
    const readAtMs = clock.now();
    const signal = AbortSignal.any([ended, AbortSignal.timeout(readTimeoutMs)]);
    const ask: Ask = (path, headers = {}) =>
      askBackend(service, this.#options, { path, user: reader, headers, signal });
    const unread = (error: unknown) => {
      logger.debug('an OpenAPI document of an aggregated server was not read', { name, error });
      return undefined;
    };
    const urls = await readIndex(service, ask).catch(unread);
    const lacksV3 = urls === 'none';
    const documents = await readV2(service, ask, { before, lacksV3 }).catch(unread);
    const { v2, converted } = documents ?? before ?? {};
    return {
      uid,
      readAtMs,
      urls: lacksV3 ? new Map() : (urls ?? before?.urls ?? new Map()),
      ...(v2 && { v2 }),
      ...(converted && { converted }),
    };
  }
}

type Ask = (path: string, headers?: Record<string, string>) => Promise<BackendAnswer>;

/** @throws Error when there is no telling now */
async function readIndex({ spec }: APIService, ask: Ask): Promise<ReadonlyMap<string, string> | 'none'> {
  const { status, text } = await ask('/openapi/v3');
  if (status === 404) return 'none';
  if (status !== 200) throw new Error(`the index was answered with ${status}`);
  return openApiUrlsIn(text, spec);
}

/** @throws Error when there is no telling now, or when the document cannot be put into one with others */
async function readV2(
  { spec }: APIService,
  ask: Ask,
  { before, lacksV3 }: { before: Known | undefined; lacksV3: boolean },
): Promise<Pick<Known, 'v2' | 'converted'>> {
  const known = before?.v2 && (before.converted || !lacksV3) ? before.v2 : undefined;
  const { status, etag, text } = await ask(
    '/openapi/v2',
    known?.etag === undefined ? {} : { 'if-none-match': known.etag },
  );
  if (status === 404) return {};
  if (status === 304 && known) return { v2: known, ...(lacksV3 && { converted: before!.converted! }) };
  if (status !== 200) throw new Error(`the document was answered with ${status}`);
  const whole = JSON.parse(text) as JsonSchema;
  const prefix = `/apis/${spec.group}/${spec.version}/`;
  const document = onlyPaths(whole, (path) => path.startsWith(prefix));
  // What does not fit into one of both forms is of no use in the other.
  encodeOpenApiV2(document);
  const v2 = { document, hash: hashOf(text), etag };
  if (!lacksV3) return { v2 };
  const converted = openApiV3Of(whole);
  encodeOpenApiV3(converted);
  return { v2, converted: { document: converted, hash: hashOf(JSON.stringify(converted)) } };
}

/**
 * The documents of an index by their paths. Only of what the APIService is about, and its group: the rest is for others
 * to document. Only a place below that of all such documents is believed.
 */
export function openApiUrlsIn(text: string, { group, version }: APIService['spec']): Map<string, string> {
  const urls = new Map<string, string>();
  const { paths } = (JSON.parse(text) ?? {}) as {
    paths?: Record<string, { serverRelativeURL?: unknown } | null>;
  };
  for (const path of [`apis/${group}`, `apis/${group}/${version}`]) {
    const url = paths && Object.hasOwn(paths, path) ? paths[path]?.serverRelativeURL : undefined;
    if (typeof url === 'string' && /^\/openapi\/v3\/[^\s\\]*$/.test(url)) urls.set(path, url);
  }
  return urls;
}

function hashOf(text: string): string {
  return createHash('sha512').update(text).digest('hex').toUpperCase();
}

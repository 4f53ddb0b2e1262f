/**
 * A registry for the nodes of one cluster with the images that were loaded from files, whatever registry their names
 * refer to. So `imagePullPolicy: Always` finds them, and so do nodes added later. It serves nothing else from the
 * nodes' image stores: images pulled with credentials stay private.
 */
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { untilAborted } from '../../base/async/unless-aborted.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { http } from '../../base/system/node-http.ts';
import { replaceFile } from '../../base/system/replace-file.ts';
import { withLock } from '../lock.ts';

interface Descriptor {
  mediaType?: string;
  digest: string;
  size: number;
}

/** What a manifest or an index of manifests says, as far as it matters here. */
interface Manifest {
  mediaType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

/** By full name: the manifest and everything that it refers to. */
export type LoadedImages = Record<string, { digest: string; content: string[] }>;

export interface MirrorOptions {
  host: string;
  port: number;
  /** Holds a folder per node. */
  nodesFolder: string;
  loadedFile: string;
  logger: Logger;
}

const retryMs = 5_000;
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';

function readLoadedImages(file: string): LoadedImages {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as LoadedImages) : {};
}

/** Notes images that a node's containerd has just imported. */
export async function noteLoadedImages(
  file: string,
  nodesFolder: string,
  digests: ReadonlyMap<string, string>,
): Promise<void> {
  await changeLoadedImages(file, (loaded) => {
    for (const [name, digest] of digests)
      loaded[name] = { digest, content: [...reachable(nodesFolder, digest)] };
  });
}

export async function forgetLoadedImage(file: string, name: string): Promise<void> {
  await changeLoadedImages(file, (loaded) => {
    delete loaded[name];
  });
}

/** Of commands that load images at the same time, none loses what another notes. */
async function changeLoadedImages(file: string, change: (loaded: LoadedImages) => void): Promise<void> {
  await withLock(`${file}.lock`, async () => {
    const loaded = readLoadedImages(file);
    change(loaded);
    replaceFile(file, JSON.stringify(loaded));
  });
}

/** A cluster runs without its mirror: if it cannot start, because its port is taken, it is retried. */
export async function keepMirror(
  options: MirrorOptions,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { host, port, logger } = options;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const server = await startMirror(options);
      await untilAborted(signal);
      server.close();
    } catch (error) {
      if (attempt === 0)
        logger.warn('images that were loaded from files are not served yet', { host, port, error });
      await pause(clock, retryMs, signal);
    }
  }
}

export async function startMirror(options: MirrorOptions): Promise<Server> {
  const server = http.createServer((request, response) => {
    serve(options, request, response).catch((error: unknown) => {
      options.logger.warn('an image could not be served', { url: request.url, error });
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}

async function serve(
  options: MirrorOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://mirror');
  if (url.pathname === '/v2/' || url.pathname === '/v2') return void response.end('{}');
  const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname);
  if (!match || (request.method !== 'GET' && request.method !== 'HEAD')) return refuse(response);
  const [, name, kind, reference] = match;
  const loaded = readLoadedImages(options.loadedFile);
  const registry = url.searchParams.get('ns') ?? 'docker.io';
  const digest = reference!.includes(':') ? reference! : loaded[`${registry}/${name}:${reference}`]?.digest;
  const isKnown = Object.values(loaded).some(
    (image) => digest !== undefined && image.content.includes(digest),
  );
  const file = isKnown ? blobFile(options.nodesFolder, digest!) : undefined;
  if (!file) return refuse(response);
  response.writeHead(200, {
    'content-type': kind === 'manifests' ? manifestTypeOf(file) : 'application/octet-stream',
    'content-length': statSync(file).size,
    'docker-content-digest': digest,
  });
  if (request.method === 'HEAD') response.end();
  else await pipeline(createReadStream(file), response);
}

/** The client turns to the registry in the image's name. */
function refuse(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'application/json' });
  response.end('{"errors":[{"code":"NAME_UNKNOWN","message":"not loaded from a file"}]}');
}

function* reachable(nodesFolder: string, digest: string): Generator<string> {
  const file = blobFile(nodesFolder, digest);
  // Archives may leave out what other machines need: manifests of other processors.
  if (!file) return;
  yield digest;
  const { config, layers = [], manifests = [] } = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  for (const part of [...(config ? [config] : []), ...layers]) yield part.digest;
  for (const manifest of manifests) yield* reachable(nodesFolder, manifest.digest);
}

function manifestTypeOf(file: string): string {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  return manifest.mediaType ?? (manifest.manifests ? indexType : manifestType);
}

/** Every node that has the content will do. */
function blobFile(nodesFolder: string, digest: string): string | undefined {
  const match = /^sha256:([0-9a-f]{64})$/.exec(digest);
  if (!match || !existsSync(nodesFolder)) return undefined;
  return readdirSync(nodesFolder)
    .map((node) =>
      join(nodesFolder, node, 'var-lib/containerd/io.containerd.content.v1.content/blobs/sha256', match[1]!),
    )
    .find((file) => existsSync(file));
}

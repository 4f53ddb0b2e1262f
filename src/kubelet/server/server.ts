/** The kubelet's HTTPS server: connections, authorization, and the form of errors. Its routes are in routes.ts. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { internalError } from '../../api/status.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { KubeletContext } from '../context.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { DirectoryProblem } from '../volumes/directories/node-directories.ts';
import { HttpProblem } from './http-problem.ts';
import { Routes } from './routes.ts';
import { ServerAuth, subresourcesOf, verbOf } from './server-auth.ts';
import { measureRequests } from './statistics/http-metrics.ts';
import type { Upgrade } from './streams/client-streams.ts';
import { openTunnel } from './streams/tunnel.ts';

export interface KubeletServerOptions {
  /** 0.0.0.0 unless set. */
  host?: string;
  port: number;
  tls: {
    cert: string;
    key: string;
    /** PEM of the authority whose client certificates are accepted. */
    clientCa: string;
  };
  metrics: MetricsRegistry;
}

/** Bytes of all headers of a request; as upstream. The arguments of a command to execute are part of its path. */
const headerBytesMax = 1024 * 1024;
/** A connection that was silent for this long is looked after. */
const keepAliveMs = 30_000;

export interface KubeletServer {
  /** Used for new connections from now on; existing ones are not affected. */
  showCertificate(pair: { cert: string; key: string }): void;
}

/** Resolves when it listens; stops with the signal. */
export async function startKubeletServer(
  kubelet: Kubelet,
  options: KubeletServerOptions,
  signal: AbortSignal,
): Promise<KubeletServer> {
  const server = new Server(kubelet, options);
  await server.listen();
  signal.addEventListener('abort', () => server.close(), { once: true });
  return server;
}

class Server implements KubeletServer {
  readonly #context: KubeletContext;
  readonly #logger: Logger;
  readonly #options: KubeletServerOptions;
  readonly #auth: ServerAuth;
  readonly #routes: Routes;
  readonly #begin: ReturnType<typeof measureRequests>;
  readonly #https: HttpsServer;
  /** The server itself no longer counts these among its connections. */
  readonly #upgraded = new Set<Duplex>();

  constructor(kubelet: Kubelet, options: KubeletServerOptions) {
    const { context } = kubelet;
    this.#context = context;
    this.#logger = context.logger.for('kubelet-server');
    this.#options = options;
    this.#auth = new ServerAuth(context);
    this.#routes = new Routes(kubelet, options.metrics);
    this.#begin = measureRequests(options.metrics, context.clock);
    const { cert, key, clientCa } = options.tls;
    this.#https = createServer({
      cert,
      key,
      ca: clientCa,
      requestCert: true,
      rejectUnauthorized: false,
      maxHeaderSize: headerBytesMax,
    });
    // A client that was cut off sends nothing more: what it runs by `exec` would go on forever.
    this.#https.on('secureConnection', (socket) => socket.setKeepAlive(true, keepAliveMs));
    this.#https.on('request', (request, response) => this.#answer(request, response));
    this.#https.on('upgrade', (request, client, head) => this.#upgrade({ request, client, head }));
    this.#https.on('connect', (request, client, head) => this.#tunnel({ request, client, head }));
  }

  listen(): Promise<void> {
    const { port, host = '0.0.0.0' } = this.#options;
    return new Promise<void>((resolve, reject) => {
      this.#https.once('error', reject);
      this.#https.listen(port, host, () => {
        this.#https.off('error', reject);
        // That there is no descriptor left for one more connection, say, ends neither the server nor its process.
        this.#https.on('error', (error) => this.#logger.error('listener', { error }));
        resolve();
      });
    });
  }

  close(): void {
    this.#https.close();
    this.#https.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
  }

  showCertificate(pair: { cert: string; key: string }): void {
    this.#https.setSecureContext({ ...pair, ca: this.#options.tls.clientCa });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = parseTarget(request.url);
    response.once('close', this.#begin(request.method ?? 'GET', url?.pathname ?? ''));
    const work = async () => {
      if (!url) throw badTarget();
      await this.#checkAccess(request, url.pathname);
      await this.#routes.answer(request, response, url);
    };
    work().catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const status = statusOf(error);
      if (status >= 500) this.#logger.warn('a request failed', { path: request.url, error });
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end((error as Error).message);
    });
  }

  #upgrade(upgrade: Upgrade): void {
    const { request, client } = upgrade;
    const url = parseTarget(request.url);
    client.once('close', this.#begin(request.method ?? 'GET', url?.pathname ?? ''));
    this.#serveStream(upgrade, async () => {
      if (!url) throw badTarget();
      await this.#checkAccess(request, url.pathname);
      await this.#routes.upgrade(upgrade, url);
    });
  }

  #tunnel(upgrade: Upgrade): void {
    const { request, client, head } = upgrade;
    this.#serveStream(upgrade, async () => {
      await this.#checkAccess(request, '/connect');
      openTunnel(request.url ?? '', client, head);
    });
  }

  #serveStream({ request, client }: Upgrade, work: () => Promise<void>): void {
    this.#upgraded.add(client);
    client.once('close', () => this.#upgraded.delete(client));
    client.on('error', () => client.destroy());
    work().catch((error: unknown) => {
      const status = statusOf(error);
      this.#logger.info('a stream could not be opened', { path: request.url, error });
      client.end(refusal(status, error as Error));
    });
  }

  /** @throws HttpProblem */
  async #checkAccess(request: IncomingMessage, path: string): Promise<void> {
    const caller = await this.#auth.authenticate(request);
    if (!caller) throw new HttpProblem(401, 'Unauthorized');
    const { nodeName } = this.#context.node();
    const { method = 'GET' } = request;
    const subresources = subresourcesOf(path);
    for (const subresource of subresources)
      if (await this.#auth.authorize(caller, method, subresource, nodeName)) return;
    throw new HttpProblem(
      403,
      `Forbidden (user=${caller.name}, verb=${verbOf(method)}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`,
    );
  }
}

const badTarget = () => new HttpProblem(400, 'the target of the request is no URL');

/**
 * Undefined: it is invalid. Unauthenticated clients may send anything here. The path is not resolved but appended:
 * after two slashes a parser expects a host name.
 */
export function parseTarget(target = '/'): URL | undefined {
  return URL.parse(target.startsWith('/') ? `https://kubelet${target}` : target) ?? undefined;
}

const statusTexts: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
};

/** A runtime's message would be parsed as YAML, and kubectl would print nothing of it; it does print a Status. */
function refusal(status: number, { message }: Error): string {
  const isOwn = status < 500;
  const body = isOwn ? message : JSON.stringify(internalError(message).status);
  const type = isOwn ? 'text/plain; charset=utf-8' : 'application/json';
  return `HTTP/1.1 ${status} ${statusTexts[status] ?? 'Error'}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function statusOf(error: unknown): number {
  if (error instanceof HttpProblem) return error.status;
  if (error instanceof DirectoryProblem) return 400;
  if (error instanceof RuntimeError && error.code === 'NotFound') return 404;
  return 500;
}

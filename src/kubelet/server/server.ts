/** The kubelet's own https server: its connections, who may ask, and how a failure is told. What it answers: routes.ts. */
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { internalError } from '../../api/status.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { Kubelet } from '../kubelet.ts';
import { DirectoryProblem } from '../volumes/node-directories.ts';
import { measureRequests } from './http-metrics.ts';
import { HttpProblem } from './http-problem.ts';
import { Routes } from './routes.ts';
import { ServerAuth, subresourcesOf, verbOf } from './server-auth.ts';
import { openTunnel } from './tunnel.ts';

export interface KubeletServerOptions {
  /** 0.0.0.0 unless set. */
  host?: string;
  port: number;
  tls: {
    cert: string;
    key: string;
    /** PEM of the authority whose client certificates are believed. */
    clientCa: string;
  };
  metrics: MetricsRegistry;
}

/** Bytes of all headers of a request; as upstream. The words of a command to execute are part of its path. */
const headerBytesMax = 1024 * 1024;
export interface KubeletServer {
  /** Shown on new connections from now on; those that stand are not touched. */
  showCertificate(pair: { cert: string; key: string }): void;
}

/** Resolves when it listens; ends with the signal. */
export async function startKubeletServer(
  kubelet: Kubelet,
  options: KubeletServerOptions,
  signal: AbortSignal,
): Promise<KubeletServer> {
  const { context } = kubelet;
  const logger = context.logger.for('kubelet-server');
  const auth = new ServerAuth(context);
  const routes = new Routes(kubelet, options.metrics);
  const begin = measureRequests(options.metrics, context.clock);
  const { cert, key, clientCa } = options.tls;
  const server = createServer({
    cert,
    key,
    ca: clientCa,
    requestCert: true,
    rejectUnauthorized: false,
    maxHeaderSize: headerBytesMax,
  });

  /** @throws HttpProblem */
  const checkAccess = async (request: IncomingMessage, path: string): Promise<void> => {
    const caller = await auth.authenticate(request);
    if (!caller) throw new HttpProblem(401, 'Unauthorized');
    const { nodeName } = context.node();
    const { method = 'GET' } = request;
    const subresources = subresourcesOf(path);
    for (const subresource of subresources)
      if (await auth.authorize(caller, method, subresource, nodeName)) return;
    throw new HttpProblem(
      403,
      `Forbidden (user=${caller.name}, verb=${verbOf(method)}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`,
    );
  };

  server.on('request', (request, response) => {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    response.once('close', begin(request.method ?? 'GET', url.pathname));
    const work = async () => {
      await checkAccess(request, url.pathname);
      await routes.answer(request, response, url);
    };
    work().catch((error: unknown) => {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const status = statusOf(error);
      if (status >= 500) logger.warn('a request failed', { path: url.pathname, error });
      response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end((error as Error).message);
    });
  });

  /** The server itself no longer counts these among its connections. */
  const upgraded = new Set<Duplex>();
  const onUpgraded = (request: IncomingMessage, socket: Duplex, work: () => Promise<void>) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    socket.on('error', () => socket.destroy());
    work().catch((error: unknown) => {
      const status = statusOf(error);
      logger.info('a stream could not be opened', { path: request.url, error });
      socket.end(refusal(status, error as Error));
    });
  };
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    socket.once('close', begin(request.method ?? 'GET', url.pathname));
    onUpgraded(request, socket, async () => {
      await checkAccess(request, url.pathname);
      await routes.upgrade({ request, client: socket, head }, url);
    });
  });
  server.on('connect', (request, socket, head) => {
    onUpgraded(request, socket, async () => {
      await checkAccess(request, '/connect');
      openTunnel(request.url ?? '', socket, head);
    });
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '0.0.0.0', () => {
      server.off('error', reject);
      resolve();
    });
  });
  signal.addEventListener(
    'abort',
    () => {
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    },
    { once: true },
  );
  return { showCertificate: (pair) => server.setSecureContext({ ...pair, ca: clientCa }) };
}

const statusTexts: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  500: 'Internal Server Error',
};

/** A runtime's words would pass for YAML, and kubectl would show nothing of them; a Status it shows. */
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

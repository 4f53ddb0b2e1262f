/**
 * The health and mode of the service proxy, on kube-proxy's ports and in its words: external load balancers query every
 * node's /healthz, and monitoring reads /metrics and /proxyMode on the node itself.
 */
import type { RequestListener, ServerResponse } from 'node:http';
import type { Node } from '../../api/resources.gen.ts';
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { http } from '../../base/system/node-http.ts';

export interface ProxyHealth {
  /** False: rules have been failing to reach the kernel for longer than upstream tolerates. */
  isHealthy: boolean;
  lastUpdatedMs: number;
}

export interface ProxyServerOptions {
  metrics: MetricsRegistry;
  logger: Logger;
  now(): number;
  health(): ProxyHealth;
  /** The node of this proxy, as far as it is known. */
  node(): Node | undefined;
  /** Upstream's when absent. */
  ports?: { health: number; status: number };
}

const upstreamPorts = { health: 10_256, status: 10_249 };
/** The cluster autoscaler's mark of a node that it is about to remove. */
const removalTaint = 'ToBeDeletedByClusterAutoscaler';

/** Serves until `signal` aborts. If the port is taken, that is logged and the proxy carries on without. */
export function startProxyServer(options: ProxyServerOptions, signal: AbortSignal): void {
  const { health, status } = options.ports ?? upstreamPorts;
  listen('0.0.0.0', health, (request, response) => {
    const path = pathOf(request.url);
    if (path === '/healthz') answerHealth(response, options, { nodeEligible: isEligible(options.node()) });
    // A node that is about to be removed keeps serving its open connections.
    else if (path === '/livez') answerHealth(response, options, { nodeEligible: true });
    else answerText(response, 404, '404 page not found\n');
  });
  listen('127.0.0.1', status, (request, response) => {
    const path = pathOf(request.url);
    if (path === '/metrics') answerText(response, 200, options.metrics.expose(), 'text/plain; version=0.0.4');
    else if (path === '/proxyMode') answerText(response, 200, 'nftables');
    else if (path === '/healthz') answerText(response, 200, 'ok');
    else answerText(response, 404, '404 page not found\n');
  });

  function listen(host: string, port: number, answer: RequestListener): void {
    if (signal.aborted) return;
    const server = http.createServer(answer);
    server.on('error', (error) =>
      options.logger.warn('a port of the proxy cannot be served', { host, port, error }),
    );
    server.listen(port, host).unref();
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    signal.addEventListener('abort', close, { once: true });
  }
}

function pathOf(url = '/'): string {
  return url.split('?', 1)[0]!;
}

function answerHealth(
  response: ServerResponse,
  options: ProxyServerOptions,
  { nodeEligible }: { nodeEligible: boolean },
): void {
  const { isHealthy, lastUpdatedMs } = options.health();
  response.writeHead(isHealthy && nodeEligible ? 200 : 503, {
    'Content-Type': 'application/json',
    'X-Content-Type-Options': 'nosniff',
  });
  const lastUpdated = timeText(lastUpdatedMs);
  response.end(JSON.stringify({ lastUpdated, currentTime: timeText(options.now()), nodeEligible }));
}

/** Load balancers should send no new connections to a node that is about to be removed. */
function isEligible(node: Node | undefined): boolean {
  if (!node) return true;
  if (node.metadata.deletionTimestamp !== undefined) return false;
  return !(node.spec?.taints ?? []).some(({ key }) => key === removalTaint);
}

/** As Go formats times. */
function timeText(ms: number): string {
  const [date, time] = new Date(ms).toISOString().split(/[TZ]/);
  return `${date} ${time} +0000 UTC`;
}

function answerText(
  response: ServerResponse,
  status: number,
  body: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff' });
  response.end(body);
}

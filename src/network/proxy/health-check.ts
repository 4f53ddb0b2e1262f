/**
 * The health check node port of services whose external policy is Local: external load balancers use it to find out
 * whether this node has local endpoints.
 */
import type { Server } from 'node:http';
import { keyOf } from '../../api/meta.ts';
import type { Service } from '../../api/resources.gen.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { http } from '../../base/system/node-http.ts';

export interface HealthChecks {
  /** `localEndpoints`: how many of the service's ready endpoints are on this node. */
  set(service: Service, localEndpoints: number): void;
  remove(serviceKey: string): void;
}

export interface HealthCheckOptions {
  clock: Clock;
  logger: Logger;
  /** Whether the node's service rules are up to date: without them its endpoints cannot be reached. */
  isProxyHealthy(): boolean;
}

/** About as often as upstream, which tries again whenever it syncs. */
const retryMs = 15_000;

/** Upstream's answer: 200 with a local endpoint, 503 without. Everything closes when `signal` aborts. */
export function createHealthChecks(options: HealthCheckOptions, signal: AbortSignal): HealthChecks {
  const checks = new Map<string, HealthCheck>();
  const remove = (key: string) => {
    checks.get(key)?.close();
    checks.delete(key);
  };
  signal.addEventListener('abort', () => [...checks.keys()].forEach(remove), { once: true });
  return {
    set(service, localEndpoints) {
      const key = keyOf(service);
      const port = healthCheckPort(service);
      const present = checks.get(key);
      if (present && present.port === port) {
        present.localEndpoints = localEndpoints;
        return;
      }
      remove(key);
      if (port === undefined || signal.aborted) return;
      checks.set(key, new HealthCheck(service, { port, localEndpoints, ...options }));
    },
    remove,
  };
}

/** The port of one service. While another program has it, it is tried again and again. */
class HealthCheck {
  readonly port: number;
  localEndpoints: number;
  readonly #service: Service;
  readonly #options: HealthCheckOptions;
  #server: Server | undefined;
  #retry: Timer | undefined;

  constructor(
    service: Service,
    { port, localEndpoints, ...options }: HealthCheckOptions & { port: number; localEndpoints: number },
  ) {
    this.port = port;
    this.localEndpoints = localEndpoints;
    this.#service = service;
    this.#options = options;
    this.#listen();
  }

  close(): void {
    this.#retry?.cancel();
    this.#server?.close();
  }

  #listen(): void {
    const { clock, logger } = this.#options;
    const server = http.createServer((_request, response) => {
      const { status, headers, body } = this.#answer();
      response.writeHead(status, headers);
      response.end(body);
    });
    server.on('error', (error) => {
      logger.warn('a health check port cannot be served', {
        service: keyOf(this.#service),
        port: this.port,
        error,
      });
      this.#retry = clock.after(retryMs, () => this.#listen());
    });
    server.listen(this.port, '0.0.0.0').unref();
    this.#server = server;
  }

  #answer(): { status: number; headers: Record<string, string>; body: string } {
    const { localEndpoints } = this;
    const { namespace, name } = this.#service.metadata;
    const serviceProxyHealthy = this.#options.isProxyHealthy();
    const facts = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      headers: {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
      },
      body: `${JSON.stringify(facts)}\n`,
    };
  }
}

export function healthCheckPort({ spec }: Service): number | undefined {
  const isLocal = spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  return isLocal ? spec.healthCheckNodePort || undefined : undefined;
}

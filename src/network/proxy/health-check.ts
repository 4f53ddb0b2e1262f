/**
 * The health check node port of services whose external policy is Local: external load balancers use it to find out
 * whether this node has local endpoints.
 */
import type { Server } from 'node:http';
import { keyOf } from '../../api/meta.ts';
import type { Service } from '../../api/resources.gen.ts';
import type { Logger } from '../../base/logger.ts';
import { http } from '../../base/system/node-http.ts';

export interface HealthChecks {
  /** `localEndpoints`: how many of the service's ready endpoints are on this node. */
  set(service: Service, localEndpoints: number): void;
  remove(serviceKey: string): void;
}

interface Check {
  port: number;
  server: Server;
  localEndpoints: number;
}

/** Upstream's answer: 200 with a local endpoint, 503 without. Everything closes when `signal` aborts. */
export function createHealthChecks(logger: Logger, signal: AbortSignal): HealthChecks {
  const checks = new Map<string, Check>();
  const remove = (key: string) => {
    checks.get(key)?.server.close();
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
      const check: Check = { port, server: http.createServer(), localEndpoints };
      check.server.on('request', (_request, response) => {
        const { namespace, name } = service.metadata;
        response.writeHead(check.localEndpoints > 0 ? 200 : 503, {
          'Content-Type': 'application/json',
          'X-Content-Type-Options': 'nosniff',
          'X-Load-Balancing-Endpoint-Weight': String(check.localEndpoints),
        });
        response.end(
          `${JSON.stringify({ service: { namespace, name }, localEndpoints: check.localEndpoints, serviceProxyHealthy: true })}\n`,
        );
      });
      check.server.on('error', (error) =>
        logger.warn('a health check port cannot be served', { service: key, port, error }),
      );
      check.server.listen(port, '0.0.0.0').unref();
      checks.set(key, check);
    },
    remove,
  };
}

export function healthCheckPort({ spec }: Service): number | undefined {
  const isLocal = spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
  return isLocal ? spec.healthCheckNodePort || undefined : undefined;
}

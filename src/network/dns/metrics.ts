/** Metrics of cluster DNS, under CoreDNS' names, and where they are served. */
import type { Logger } from '../../base/logger.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { http } from '../../base/system/node-http.ts';
import type { Query } from './message/message.ts';

/** Where CoreDNS serves its metrics, and where the Service says they are. */
const metricsPort = 9153;

export interface MetricsServerOptions {
  address: string;
  metrics: MetricsRegistry;
  logger: Logger;
}

export type Meter = (query: Query, protocol: 'udp' | 'tcp', code: number, durationMs: number) => void;

const knownTypes = new Map([
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [15, 'MX'],
  [16, 'TXT'],
  [28, 'AAAA'],
  [33, 'SRV'],
  [255, 'ANY'],
]);
const codeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export function createMeter(metrics: MetricsRegistry): Meter {
  const requests = metrics.counter('coredns_dns_requests_total', 'Questions by protocol and type.');
  const responses = metrics.counter('coredns_dns_responses_total', 'Answers by code.');
  const seconds = metrics.histogram(
    'coredns_dns_request_duration_seconds',
    'Seconds from a question to its answer.',
    [0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8],
  );
  const server = 'dns://:53';
  const requestsOf = {
    udp: boundOnce((type: string) => requests.bind({ server, proto: 'udp', type })),
    tcp: boundOnce((type: string) => requests.bind({ server, proto: 'tcp', type })),
  };
  const responsesOf = boundOnce((code: number) =>
    responses.bind({ server, rcode: codeNames[code] ?? String(code) }),
  );
  const secondsOf = boundOnce((name: string) => seconds.bind({ server: name }));
  return (query, protocol, code, durationMs) => {
    requestsOf[protocol](knownTypes.get(query.type) ?? 'other').add(1);
    responsesOf(code).add(1);
    secondsOf(server).observe(durationMs / 1000);
  };
}

/** At the service address of cluster DNS. */
export function serveMetrics(options: MetricsServerOptions, signal: AbortSignal): void {
  const server = http.createServer((request, response) => {
    const isKnown = request.url === '/metrics';
    response.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(isKnown ? options.metrics.expose() : '404 page not found\n');
  });
  server.on('error', (error) => options.logger.warn('metrics of cluster DNS are not served', { error }));
  server.listen({ host: options.address, port: metricsPort, signal });
}

/** Series appear when they are first written, and are looked up by a short key from then on. */
function boundOnce<K, B>(bind: (key: K) => B): (key: K) => B {
  const bound = new Map<K, B>();
  return (key) => {
    let series = bound.get(key);
    if (!series) {
      series = bind(key);
      bound.set(key, series);
    }
    return series;
  };
}

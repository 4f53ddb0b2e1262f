/**
 * Requests to the kubelet's server, under upstream's metric names. Only the first segment of a path is a label: there
 * are few.
 */
import type { Clock } from '../../../base/clock.ts';
import { type MetricsRegistry, metricsPerRegistry } from '../../../base/metrics.ts';
import { defaultBuckets } from '../../metrics/pod-metrics.ts';

const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE']);
const connections = new Set(['exec', 'attach', 'portforward', 'debug']);
const paths = new Set([
  ...connections,
  ...[
    'checkpoint',
    'configz',
    'containerLogs',
    'debug',
    'healthz',
    'logs',
    'pods',
    'run',
    'runningpods',
    'stats',
  ],
  ...['metrics', 'metrics/cadvisor', 'metrics/probes', 'metrics/resource', 'metrics/slis'],
]);

const httpMetricsOf = metricsPerRegistry((registry) => ({
  total: registry.counter('kubelet_http_requests_total', 'Requests that the server was sent.'),
  inflight: registry.gauge('kubelet_http_inflight_requests', 'Requests that the server works at now.'),
  duration: registry.histogram(
    'kubelet_http_requests_duration_seconds',
    'Time in seconds that requests took.',
    defaultBuckets,
  ),
}));

/** Call the result when a request begins, and what that returns when it has ended. */
export function measureRequests(
  registry: MetricsRegistry,
  clock: Clock,
): (method: string, path: string) => () => void {
  const { total, inflight, duration } = httpMetricsOf(registry);
  return (method, path) => {
    const root = rootOf(path);
    const labels = {
      long_running: String(connections.has(root)),
      method: methods.has(method) ? method : 'other',
      path: paths.has(root) ? root : 'other',
      server_type: 'readwrite',
    };
    const startMs = clock.monotonic();
    total.add(1, labels);
    inflight.add(1, labels);
    return () => {
      inflight.add(-1, labels);
      duration.observe((clock.monotonic() - startMs) / 1000, labels);
    };
  };
}

function rootOf(path: string): string {
  const [, first = '', second] = path.split('/');
  return first === 'metrics' && second !== undefined ? `${first}/${second}` : first;
}

/** What device plugins do, and what is asked about devices, under upstream's names. */
import type { Outcome } from '../../base/async/timed.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { defaultBuckets } from '../metrics/pod-metrics.ts';

export interface DeviceMetrics {
  registered(resource: string): void;
  /** A plugin has handed out devices, or refused to. */
  allocated(resource: string, seconds: number): void;
  /** At the pod resources endpoint. */
  requested(method: PodResourcesMethod, outcome: Outcome): void;
}

export type PodResourcesMethod = 'list' | 'get' | 'get_allocatable';

const apiVersion = { server_api_version: 'v1' };
const methodNames = { list: 'List', get: 'Get', get_allocatable: 'GetAllocatableResources' };

export function deviceMetrics(registry: MetricsRegistry): DeviceMetrics {
  const registrations = registry.counter(
    'kubelet_device_plugin_registration_total',
    'Cumulative number of device plugin registrations. Broken down by resource name.',
  );
  const allocations = registry.histogram(
    'kubelet_device_plugin_alloc_duration_seconds',
    'Duration in seconds to serve a device plugin Allocation request. Broken down by resource name.',
    defaultBuckets,
  );
  const all = registry.counter(
    'kubelet_pod_resources_endpoint_requests_total',
    'Cumulative number of requests to the PodResource endpoint. Broken down by server api version.',
  );
  const counters = (what: string, help: (name: string) => string) =>
    Object.fromEntries(
      Object.entries(methodNames).map(([method, name]) => [
        method,
        registry.counter(`kubelet_pod_resources_endpoint_${what}_${method}`, help(name)),
      ]),
    );
  const requests = counters(
    'requests',
    (name) => `Number of requests to the PodResource ${name} endpoint. Broken down by server api version.`,
  );
  const errors = counters(
    'errors',
    (name) =>
      `Number of requests to the PodResource ${name} endpoint which returned error. Broken down by server api version.`,
  );
  return {
    registered: (resource) => registrations.add(1, { resource_name: resource }),
    allocated: (resource, seconds) => allocations.observe(seconds, { resource_name: resource }),
    requested(method, outcome) {
      all.add(1, apiVersion);
      requests[method]!.add(1, apiVersion);
      if (outcome === 'failed') errors[method]!.add(1, apiVersion);
    },
  };
}

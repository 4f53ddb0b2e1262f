/** What the scheduler does about claims, under upstream's names. */
import { exponentialBuckets, type MetricsRegistry } from '../../base/metrics.ts';

export interface DeviceMetrics {
  /** A claim for extended resources. */
  claimCreated(status: 'success' | 'failure'): void;
  /** Drivers were waited for; a driver once for each of its devices. */
  waited(outcome: WaitOutcome): void;
}

export interface WaitOutcome {
  profile: string;
  status: 'success' | 'timeout' | 'failure' | 'error';
  /** Of all devices of the pod, and of those that had to be prepared. */
  drivers: readonly string[];
  preparing: readonly string[];
  seconds: number;
}

/** 0.1 s, doubled up to almost 14 minutes. */
const waitBuckets = exponentialBuckets(0.1, 2, 14);

/** Each profile has its plugins, and a scheduler that becomes leader again new ones. */
const registered = new WeakMap<MetricsRegistry, DeviceMetrics>();

export function deviceMetrics(registry: MetricsRegistry): DeviceMetrics {
  let metrics = registered.get(registry);
  if (!metrics) {
    metrics = register(registry);
    registered.set(registry, metrics);
  }
  return metrics;
}

function register(registry: MetricsRegistry): DeviceMetrics {
  const creates = registry.counter(
    'scheduler_resourceclaim_creates_total',
    'Number of ResourceClaims that the scheduler asked to be created, by the answer.',
  );
  const allocations = registry.counter(
    'scheduler_dra_bindingconditions_allocations_total',
    'Number of devices that had to be prepared before their pod was bound, by driver and outcome.',
  );
  const waits = registry.histogram(
    'scheduler_dra_bindingconditions_wait_duration_seconds',
    'Time for which pods waited for their devices to be prepared, by driver and outcome.',
    waitBuckets,
  );
  return {
    claimCreated: (status) => creates.add(1, { status }),
    waited({ profile, status, drivers, preparing, seconds }) {
      for (const driver of drivers) waits.observe(seconds, { driver, profile, status });
      for (const driver of preparing) allocations.add(1, { driver, profile, status });
    },
  };
}

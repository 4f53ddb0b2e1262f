/** Metrics of claimed devices, under upstream's names. */
import type { Outcome } from '../../base/async/timed.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { DriverCall } from './driver-plugin.ts';

export type ClaimOperation = 'PrepareResources' | 'UnprepareResources';

export interface ClaimMetrics {
  took(operation: ClaimOperation, outcome: Outcome, seconds: number): void;
  called(call: DriverCall): void;
  /** Called whenever metrics are collected: claims in use, by driver. */
  watch(inUse: () => ReadonlyMap<string, number>): void;
}

/** From 0.1 to 40 seconds, growing by a constant factor. */
const buckets = Array.from({ length: 15 }, (_, index) => 0.1 * 400 ** (index / 14));

export function claimMetrics(registry: MetricsRegistry): ClaimMetrics {
  const operations = registry.histogram(
    'dra_operations_duration_seconds',
    'Latency histogram in seconds for the duration of handling all ResourceClaims referenced by a pod when the pod starts or stops, by the name of the operation (PrepareResources or UnprepareResources) and its success.',
    buckets,
  );
  const calls = registry.histogram(
    'dra_grpc_operations_duration_seconds',
    'Duration in seconds of the DRA gRPC operations',
    buckets,
  );
  const sources: (() => ReadonlyMap<string, number>)[] = [];
  registry.collected(
    'dra_resource_claims_in_use',
    'The number of ResourceClaims that are currently in use on the node, by driver name; of all drivers together under <any>, where a claim with devices of several drivers counts once.',
    () => {
      const sums = new Map<string, number>();
      for (const [driver, count] of sources.flatMap((inUse) => [...inUse()]))
        sums.set(driver, (sums.get(driver) ?? 0) + count);
      return [...sums].map(([driver, value]) => ({ labels: { driver_name: driver }, value }));
    },
  );
  return {
    took: (operation, outcome, seconds) =>
      operations.observe(seconds, { operation_name: operation, is_error: String(outcome === 'failed') }),
    called: ({ driver, method, code, seconds }) =>
      calls.observe(seconds, { driver_name: driver, method_name: method, grpc_status_code: code }),
    watch: (inUse) => sources.push(inUse),
  };
}

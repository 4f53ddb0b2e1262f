/** The calls of the node's CSI drivers, under upstream's metric name. */
import type { MetricsRegistry } from '../../base/metrics.ts';

export interface CsiCall {
  driver: string;
  /** `/csi.v1.Node/NodePublishVolume` … */
  method: string;
  /** gRPC's name of it. */
  code: string;
  seconds: number;
}

export type CsiCallObserver = (call: CsiCall) => void;

const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];

export function csiMetrics(registry: MetricsRegistry): CsiCallObserver {
  const seconds = registry.histogram(
    'csi_operations_seconds',
    'Container Storage Interface operation duration with gRPC error code status total',
    buckets,
  );
  return (call) =>
    seconds.observe(call.seconds, {
      driver_name: call.driver,
      grpc_status_code: call.code,
      method_name: call.method,
      migrated: 'false',
    });
}

/** Results and durations of probes, by container, for as long as their pod is on the node. */
import type { Labels, MetricsRegistry } from '../../base/metrics.ts';
import type { ProbeTarget } from './probe-run.ts';

export type ProbeResult = 'successful' | 'failed' | 'unknown';

/** The names of the families in `/metrics/probes`. */
export const probeMetricPrefix = 'prober_';

/** Prometheus' default buckets. */
const secondBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface ProbeMetrics {
  /** `kind`: `Liveness`, `Readiness` or `Startup`. */
  done(kind: string, target: ProbeTarget, result: ProbeResult, seconds: number): void;
  /** Drops the series of a pod that is gone; they would otherwise stay forever. */
  forget(podUid: string): void;
}

export function probeMetrics(registry: MetricsRegistry): ProbeMetrics {
  const total = registry.counter(
    'prober_probe_total',
    'Cumulative number of a liveness, readiness or startup probe for a container by result.',
  );
  const duration = registry.histogram(
    'prober_probe_duration_seconds',
    'How long a container took to answer a probe, in seconds.',
    secondBuckets,
  );
  /** By pod uid, then by label text, so that each text is stored once. */
  const ofPods = new Map<string, { totals: Map<string, Labels>; durations: Map<string, Labels> }>();
  return {
    done(kind, { pod, container }, result, seconds) {
      const { name, namespace = '', uid } = pod.metadata;
      const labels = { probe_type: kind, container: container.name, pod: name, namespace };
      const counted = { ...labels, result, pod_uid: uid };
      total.add(1, counted);
      duration.observe(seconds, labels);
      const known = ofPods.get(uid) ?? { totals: new Map(), durations: new Map() };
      ofPods.set(uid, known);
      known.totals.set(`${kind} ${container.name} ${result}`, counted);
      known.durations.set(`${kind} ${container.name}`, labels);
    },
    forget(podUid) {
      const known = ofPods.get(podUid);
      for (const labels of known?.totals.values() ?? []) total.remove(labels);
      for (const labels of known?.durations.values() ?? []) duration.remove(labels);
      ofPods.delete(podUid);
    },
  };
}

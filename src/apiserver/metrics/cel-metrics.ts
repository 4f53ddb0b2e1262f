/** How long the rules of custom resources take, under upstream's names. */
import type { CelTimes } from '../../api/cel/rules.ts';
import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram, MetricsRegistry } from '../../base/metrics.ts';

/** Prometheus' own. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function celMetrics(metrics: MetricsRegistry, clock: Clock): CelTimes {
  const histogram = (what: string) =>
    metrics
      .histogram(`apiserver_cel_${what}_duration_seconds`, `CEL ${what} time in seconds.`, buckets)
      .bind({});
  const timing = (times: BoundHistogram) => {
    return <T>(work: () => T): T => {
      const startMs = clock.monotonic();
      try {
        return work();
      } finally {
        times.observe((clock.monotonic() - startMs) / 1000);
      }
    };
  };
  return { compiling: timing(histogram('compilation')), evaluating: timing(histogram('evaluation')) };
}

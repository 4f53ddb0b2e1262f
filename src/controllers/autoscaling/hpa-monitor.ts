/** Counts what the autoscaler did and how long it took, under upstream's metric names. */
import type { HorizontalPodAutoscaler } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import { exponentialBuckets, type MetricsRegistry, metricsPerRegistry } from '../../base/metrics.ts';
import type { Informer } from '../../client/informers/informer.ts';

/** The user's spec makes no sense, whatever the cluster has: a kind that is not served may come to be. */
export class SpecProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SpecProblem';
  }
}

const prefix = 'horizontal_pod_autoscaler_controller';

const hpaMetricsOf = metricsPerRegistry((registry) => {
  const source: { autoscalers(): Iterable<HorizontalPodAutoscaler> } = { autoscalers: () => [] };
  const seconds = (name: string, help: string) =>
    registry.histogram(`${prefix}_${name}_duration_seconds`, help, exponentialBuckets(0.001, 2, 15));
  registry.collected(
    `${prefix}_num_horizontal_pod_autoscalers`,
    'Current number of controlled HPA objects.',
    () => [{ value: [...source.autoscalers()].length }],
  );
  registry.collected(
    `${prefix}_desired_replicas`,
    'Current desired replica count for HPA objects.',
    function* () {
      for (const { metadata, status } of source.autoscalers()) {
        const { namespace = '', name: hpa_name } = metadata;
        if (status) yield { labels: { namespace, hpa_name }, value: status.desiredReplicas ?? 0 };
      }
    },
  );
  return {
    /** Where to find the autoscalers when metrics are collected. */
    source,
    reconciliations: registry.counter(
      `${prefix}_reconciliations_total`,
      'Number of reconciliations of HPA controller.',
    ),
    reconciliationDuration: seconds(
      'reconciliation',
      'The time(seconds) that the HPA controller takes to reconcile once.',
    ),
    computations: registry.counter(`${prefix}_metric_computation_total`, 'Number of metric computations.'),
    computationDuration: seconds(
      'metric_computation',
      'The time(seconds) that the HPA controller takes to calculate one metric.',
    ),
  };
});

export function followAutoscalers(
  registry: MetricsRegistry | undefined,
  autoscalers: Informer<HorizontalPodAutoscaler>,
): void {
  hpaMetricsOf(registry).source.autoscalers = () => autoscalers.list();
}

interface Measured {
  clock: Clock;
  metrics?: MetricsRegistry | undefined;
}

/** `work`: returns the previous and the desired number of replicas; partial, it counts as failed although it scaled. */
export async function measureReconciliation(
  { clock, metrics }: Measured,
  work: () => Promise<Change>,
): Promise<void> {
  const { reconciliations, reconciliationDuration } = hpaMetricsOf(metrics);
  await measure(clock, work, (labels, seconds) => {
    reconciliations.add(1, labels);
    reconciliationDuration.observe(seconds, labels);
  });
}

export async function measureComputation<Answer extends { replicas: number }>(
  { clock, metrics }: Measured,
  metric_type: string,
  from: number,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const { computations, computationDuration } = hpaMetricsOf(metrics);
  const toChange = async () => {
    const answer = await work();
    return { answer, from, to: answer.replicas };
  };
  const { answer } = await measure(clock, toChange, (labels, seconds) => {
    computations.add(1, { ...labels, metric_type });
    computationDuration.observe(seconds, { ...labels, metric_type });
  });
  return answer;
}

interface Change {
  from: number;
  to: number;
  isPartial?: boolean;
}

async function measure<Answer extends Change>(
  clock: Clock,
  work: () => Promise<Answer>,
  note: (labels: { action: string; error: string }, seconds: number) => void,
): Promise<Answer> {
  const startMs = clock.monotonic();
  const done = (action: string, error: string) =>
    note({ action, error }, (clock.monotonic() - startMs) / 1000);
  try {
    const change = await work();
    const { from, to, isPartial = false } = change;
    done(to > from ? 'scale_up' : to < from ? 'scale_down' : 'none', isPartial ? 'internal' : 'none');
    return change;
  } catch (error) {
    done('none', error instanceof SpecProblem ? 'spec' : 'internal');
    throw error;
  }
}

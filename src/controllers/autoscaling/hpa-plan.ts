/** Which size the bounds and metrics of an autoscaler ask for, and what is said about it. Decides; never acts. */
import type { HorizontalPodAutoscaler, Pod } from '../../api/resources.gen.ts';
import type { ParsedLabelSelector } from '../../api/selectors/selectors.ts';
import type { MetricSpec, MetricStatus } from '../../api/types/autoscaling-v2.gen.ts';
import type { ConditionState } from './hpa-behavior.ts';
import { failureReasons, type MetricOutcome } from './hpa-metrics.ts';
import { MetricProblem } from './hpa-replicas.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;

export interface DesiredSize {
  replicas: number;
  /** For the event of the change. */
  reason: string;
}

/** The size that the bounds alone decide on; undefined when the metrics do. */
export function sizeByBounds(
  { minReplicas = 1, maxReplicas }: Spec,
  current: number,
): (DesiredSize & { active?: ConditionState }) | undefined {
  if (current === 0 && minReplicas !== 0) return { replicas: 0, reason: '', active: disabled };
  if (current > maxReplicas)
    return { replicas: maxReplicas, reason: 'Current number of replicas above Spec.MaxReplicas' };
  if (current < minReplicas)
    return { replicas: minReplicas, reason: 'Current number of replicas below Spec.MinReplicas' };
  return undefined;
}

const disabled: ConditionState = {
  status: 'False',
  reason: 'ScalingDisabled',
  message: 'scaling is disabled since the replica count of the target is zero',
};

/** One metric of the spec, and what came of it. */
export interface ComputedMetric {
  spec: MetricSpec;
  outcome: MetricOutcome | MetricProblem;
}

export interface CombinedMetrics {
  /** In the order of the spec. */
  statuses: MetricStatus[];
  /** Of the condition ScalingActive. */
  active: ConditionState;
  warnings: { reason: string; message: string }[];
  /** What the metrics ask for; undefined when too few could be computed. */
  asked: { replicas: number; reason: string } | undefined;
  /** Some could not be computed. */
  isPartial: boolean;
}

/** A missing metric might have asked for more: while one is missing, nothing is scaled down. */
export function combineMetrics(metrics: readonly ComputedMetric[], current: number): CombinedMetrics {
  let best: MetricOutcome | undefined;
  const statuses: MetricStatus[] = [];
  const failures: { reason: string; problem: MetricProblem }[] = [];
  for (const { spec, outcome } of metrics)
    if (outcome instanceof MetricProblem) {
      failures.push({ reason: failureReasons[spec.type] ?? 'InvalidMetricSourceType', problem: outcome });
      // Upstream keeps the place of a metric of unknown type.
      statuses.push({ type: '' });
    } else {
      statuses.push(outcome.status);
      // Of metrics that ask for none, upstream names the last.
      if (!best || best.replicas === 0 || outcome.replicas > best.replicas) best = outcome;
    }
  const warnings = failures.map(({ reason, problem }) => ({ reason, message: problem.message }));
  const isPartial = failures.length > 0;
  if (best && !(isPartial && best.replicas < current)) {
    const message = `the HPA was able to successfully calculate a replica count from ${best.name}`;
    const active: ConditionState = { status: 'True', reason: 'ValidMetricFound', message };
    const asked = { replicas: best.replicas, reason: reasonOf(best, current) };
    return { statuses, active, warnings, asked, isPartial };
  }
  const { reason, problem } = failures[0] ?? noMetrics;
  const message = `the HPA was unable to compute the replica count: ${problem.message}`;
  const summary = `invalid metrics (${failures.length} invalid out of ${metrics.length}), first error is: ${problem.summary}`;
  return {
    statuses,
    active: { status: 'False', reason, message },
    warnings: [...warnings, { reason: 'FailedComputeMetricsReplicas', message: summary }],
    asked: undefined,
    isPartial,
  };
}

/** The metrics' own reason: when a limit alone moves the target, upstream names none. */
function reasonOf({ replicas, name }: MetricOutcome, current: number): string {
  if (replicas > current) return `${name} above target`;
  return replicas < current ? 'All metrics below target' : '';
}

/** The API server adds a default metric to every autoscaler; one without any has bypassed the defaults. */
const noMetrics = { reason: 'InvalidMetricSourceType', problem: new MetricProblem('no metrics') };

/**
 * The autoscalers of a namespace that select one of the pods, as `namespace/name`. Two would undo each other's work, so
 * neither scales. `selectors`: by key.
 */
export function autoscalersOf(
  pods: readonly Pod[],
  namespace: string,
  selectors: Iterable<readonly [string, Pick<ParsedLabelSelector, 'matches'>]>,
): string[] {
  const keys: string[] = [];
  for (const [key, { matches }] of selectors)
    if (key.startsWith(`${namespace}/`) && pods.some(({ metadata }) => matches(metadata.labels ?? {})))
      keys.push(key);
  return keys.sort();
}

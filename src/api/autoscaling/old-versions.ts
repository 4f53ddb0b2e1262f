/** Conversion of autoscalers from and to v1 and v2beta1, which keep in annotations what they have no fields for. */
import type { KubeObject } from '../meta.ts';
import type { HorizontalPodAutoscaler as V1 } from '../types/autoscaling-v1.gen.ts';
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HPAScalingRules,
  MetricSpec,
} from '../types/autoscaling-v2.gen.ts';
import type {
  MetricSpec as OldMetricSpec,
  MetricStatus as OldMetricStatus,
  HorizontalPodAutoscaler as V2beta1,
} from '../types/autoscaling-v2beta1.gen.ts';
import { metricFromOld, metricToOld, statusFromOld, statusToOld } from './old-metrics.ts';

const metricsAnnotation = 'autoscaling.alpha.kubernetes.io/metrics';
const currentMetricsAnnotation = 'autoscaling.alpha.kubernetes.io/current-metrics';
const conditionsAnnotation = 'autoscaling.alpha.kubernetes.io/conditions';
const behaviorAnnotation = 'autoscaling.alpha.kubernetes.io/behavior';
const defaultUtilization = 80;

/** The one metric that v1 has a field for. */
function isCpuUtilization(metric: MetricSpec): boolean {
  return metric.resource?.name === 'cpu' && metric.resource.target.averageUtilization !== undefined;
}

/** Old versions list it behind the others. */
function cpuLast(metrics: readonly MetricSpec[]): MetricSpec[] {
  const index = metrics.findIndex(isCpuUtilization);
  return index < 0 ? [...metrics] : [...metrics.toSpliced(index, 1), metrics[index]!];
}

type Stored = HorizontalPodAutoscaler;

export function fromV2beta1(object: KubeObject): KubeObject {
  const source = object as V2beta1;
  const target = object as Stored;
  const { metrics } = source.spec ?? {};
  if (metrics) target.spec.metrics = metrics.map(metricFromOld);
  const current = source.status?.currentMetrics;
  if (current) target.status!.currentMetrics = current.map(statusFromOld);
  readBehavior(target);
  return target;
}

export function toV2beta1(object: KubeObject): KubeObject {
  const source = object as Stored;
  const target = object as V2beta1;
  if (source.spec?.metrics) target.spec.metrics = cpuLast(source.spec.metrics).map(metricToOld);
  showEmptyStatus(source);
  const current = source.status?.currentMetrics;
  if (current) target.status!.currentMetrics = current.map(statusToOld);
  writeBehavior(source);
  return target as KubeObject;
}

/** Where newer versions leave out empty lists, older ones show null. */
export function showEmptyStatus(object: KubeObject): KubeObject {
  showEmptyMetrics(object);
  const status = (object as Stored).status as Record<string, unknown> | undefined;
  if (status) status.conditions ??= null;
  return object;
}

/** In every version. */
export function showEmptyMetrics(object: KubeObject): void {
  const status = (object as Stored).status as Record<string, unknown> | undefined;
  if (status) status.currentMetrics ??= null;
}

export function fromV1(object: KubeObject): KubeObject {
  const source = object as V1;
  const target = object as Stored;
  const utilization = source.spec?.targetCPUUtilizationPercentage;
  const others = readAnnotation<OldMetricSpec[]>(target, metricsAnnotation)?.map(metricFromOld) ?? [];
  const metrics = [...others, ...(utilization === undefined ? [] : [cpuMetric(utilization)])];
  if (target.spec) {
    delete source.spec.targetCPUUtilizationPercentage;
    target.spec.metrics = metrics.length > 0 ? metrics : [cpuMetric(defaultUtilization)];
  }
  const current =
    readAnnotation<OldMetricStatus[]>(target, currentMetricsAnnotation)?.map(statusFromOld) ?? [];
  const conditions = readAnnotation<NonNullable<Stored['status']>['conditions']>(
    target,
    conditionsAnnotation,
  );
  const percentage = source.status?.currentCPUUtilizationPercentage;
  if (target.status) {
    delete source.status!.currentCPUUtilizationPercentage;
    if (percentage !== undefined)
      current.push({
        type: 'Resource',
        resource: { name: 'cpu', current: { averageUtilization: percentage } },
      });
    if (current.length > 0) target.status.currentMetrics = current;
    if (conditions) target.status.conditions = conditions;
  }
  readBehavior(target);
  return target;
}

function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

export function toV1(object: KubeObject): KubeObject {
  const source = object as Stored;
  const target = object as V1;
  const metrics = source.spec?.metrics ?? [];
  const cpu = metrics.find(isCpuUtilization);
  const others = metrics.filter((metric) => metric !== cpu);
  if (source.spec) delete source.spec.metrics;
  if (cpu) target.spec.targetCPUUtilizationPercentage = cpu.resource!.target.averageUtilization!;
  if (others.length > 0) annotate(source, metricsAnnotation, others.map(metricToOld));
  const current = source.status?.currentMetrics ?? [];
  const conditions = source.status?.conditions;
  const currentCpu = current.find(
    (metric) => metric.resource?.name === 'cpu' && metric.resource.current.averageUtilization !== undefined,
  );
  if (source.status) {
    delete source.status.currentMetrics;
    delete source.status.conditions;
  }
  // The annotation holds the average value too, for which v1 has no field.
  if (currentCpu)
    target.status!.currentCPUUtilizationPercentage = currentCpu.resource!.current.averageUtilization!;
  const otherCurrent = current.filter(
    (metric) => metric !== currentCpu || metric.resource?.current.averageValue !== undefined,
  );
  if (otherCurrent.length > 0) annotate(source, currentMetricsAnnotation, otherCurrent.map(statusToOld));
  if (conditions?.length) annotate(source, conditionsAnnotation, conditions);
  writeBehavior(source);
  return target as KubeObject;
}

function annotate(object: KubeObject, name: string, value: unknown): void {
  object.metadata.annotations = { ...object.metadata.annotations, [name]: JSON.stringify(value) };
}

/** Takes an annotation off the object; undefined when it is absent or holds no JSON of the kind it should. */
function readAnnotation<T>(object: KubeObject, name: string): T | undefined {
  const text = object.metadata.annotations?.[name];
  if (text === undefined) return undefined;
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { [name]: _, ...annotations } = object.metadata.annotations!;
  if (Object.keys(annotations).length > 0) object.metadata.annotations = annotations;
  else delete object.metadata.annotations;
  return value as T;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The behaviour's annotation has field names with capital letters: upstream's internal form. */
interface CapitalRules {
  StabilizationWindowSeconds?: number | null;
  SelectPolicy?: string | null;
  Policies?: { Type: string; Value: number; PeriodSeconds: number }[] | null;
  Tolerance?: string | null;
}

function readBehavior(object: Stored): void {
  const capital = readAnnotation<{ ScaleUp?: CapitalRules; ScaleDown?: CapitalRules }>(
    object,
    behaviorAnnotation,
  );
  if (!capital || !object.spec) return;
  const behavior: HorizontalPodAutoscalerBehavior = {};
  if (capital.ScaleUp) behavior.scaleUp = rulesFromCapital(capital.ScaleUp);
  if (capital.ScaleDown) behavior.scaleDown = rulesFromCapital(capital.ScaleDown);
  object.spec.behavior = behavior;
}

function rulesFromCapital(capital: CapitalRules): HPAScalingRules {
  const rules: HPAScalingRules = {};
  if (typeof capital.StabilizationWindowSeconds === 'number')
    rules.stabilizationWindowSeconds = capital.StabilizationWindowSeconds;
  if (capital.SelectPolicy) rules.selectPolicy = capital.SelectPolicy;
  if (capital.Policies)
    rules.policies = capital.Policies.map(({ Type, Value, PeriodSeconds }) => ({
      type: Type,
      value: Value,
      periodSeconds: PeriodSeconds,
    }));
  if (typeof capital.Tolerance === 'string') rules.tolerance = capital.Tolerance;
  return rules;
}

function writeBehavior(object: Stored): void {
  const behavior = object.spec?.behavior;
  if (!behavior) return;
  delete object.spec.behavior;
  annotate(object, behaviorAnnotation, {
    ScaleUp: behavior.scaleUp ? rulesToCapital(behavior.scaleUp) : null,
    ScaleDown: behavior.scaleDown ? rulesToCapital(behavior.scaleDown) : null,
  });
}

function rulesToCapital(rules: HPAScalingRules): CapitalRules {
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: (rules.policies ?? []).map(({ type, value, periodSeconds }) => ({
      Type: type,
      Value: value,
      PeriodSeconds: periodSeconds,
    })),
    ...(rules.tolerance !== undefined && { Tolerance: rules.tolerance }),
  };
}

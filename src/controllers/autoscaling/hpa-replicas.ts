/** How many replicas a metric asks for: upstream's calculator. Pure. */
import type { Pod } from '../../api/resources.gen.ts';

/** What a pod uses, in thousandths. */
export interface PodMetric {
  milli: number;
  atMs: number;
  windowMs: number;
}
export type PodMetrics = ReadonlyMap<string, PodMetric>;

/** How far a ratio may be from 1 before the target is scaled. */
export interface Tolerances {
  up: number;
  down: number;
}

export interface Proposal {
  replicas: number;
  /** Percent of what is requested. */
  utilization?: number;
  /** Average per pod, in thousandths. */
  averageMilli: number;
}

/** A metric that cannot be computed; the message is for the user. */
export class MetricProblem extends Error {
  /** The message as quoted in the summary of all metrics of an autoscaler. */
  readonly summary: string;

  constructor(message: string, summary = message) {
    super(message);
    this.name = 'MetricProblem';
    this.summary = summary;
  }
}

/** Shortly after its start a pod's CPU usage says little about its load. */
const cpuInitializationMs = 5 * 60_000;
/** A pod that was never ready for longer than this after its start is unready for another reason. */
const initialReadinessMs = 30_000;

export interface PodGroups {
  ready: number;
  /** Pods whose metrics are not taken into account. */
  unready: Set<string>;
  missing: Set<string>;
  ignored: Set<string>;
}

function groupPods(
  pods: readonly Pod[],
  metrics: PodMetrics,
  resource: string | undefined,
  nowMs: number,
): PodGroups {
  const groups: PodGroups = { ready: 0, unready: new Set(), missing: new Set(), ignored: new Set() };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') groups.ignored.add(name);
    else if (pod.status?.phase === 'Pending') groups.unready.add(name);
    else if (!metric) groups.missing.add(name);
    else if (resource === 'cpu' && isCpuUnreliable(pod, metric, nowMs)) groups.unready.add(name);
    else groups.ready++;
  }
  return groups;
}

function isCpuUnreliable({ status }: Pod, metric: PodMetric, nowMs: number): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (!ready || !status?.startTime) return true;
  const startMs = Date.parse(status.startTime);
  const changedMs = Date.parse(ready.lastTransitionTime ?? status.startTime);
  if (startMs + cpuInitializationMs > nowMs)
    return ready.status === 'False' || metric.atMs < changedMs + metric.windowMs;
  return ready.status === 'False' && startMs + initialReadinessMs > changedMs;
}

export interface PlainOptions {
  current: number;
  pods: readonly Pod[];
  metrics: PodMetrics;
  resource?: string;
  tolerances: Tolerances;
  nowMs: number;
}

/** From a target for the average per pod, in thousandths. */
export function replicasForAverage(targetMilli: number, options: PlainOptions): Proposal {
  const averageOf = (values: readonly number[]) => sum(values) / values.length;
  return propose(options, {
    fill: () => targetMilli,
    rate: (metrics) => {
      const average = Math.trunc(averageOf([...metrics.values()]));
      return { ratio: average / targetMilli, averageMilli: average };
    },
  });
}

/**
 * From a target in percent of what the pods request (thousandths by pod name); requests are looked up only when needed.
 */
export function replicasForUtilization(
  targetPercent: number,
  readRequests: () => ReadonlyMap<string, number>,
  options: PlainOptions,
): Proposal {
  let requests: ReadonlyMap<string, number> = new Map();
  return propose(options, {
    fill: (pod) => Math.trunc((Math.max(100, targetPercent) * (requests.get(pod) ?? 0)) / 100),
    rate: (metrics) => {
      requests = readRequests();
      const known = [...metrics].filter(([pod]) => requests.has(pod));
      const requested = sum(known.map(([pod]) => requests.get(pod)!));
      if (requested === 0) throw new MetricProblem('no metrics returned matched known pods');
      const used = sum(known.map(([, milli]) => milli));
      const utilization = Math.trunc((used * 100) / requested);
      return {
        ratio: utilization / targetPercent,
        utilization,
        averageMilli: Math.trunc(used / known.length),
      };
    },
  });
}

interface Rated {
  ratio: number;
  utilization?: number;
  averageMilli: number;
}

interface Measure {
  /** What a pod without a metric is assumed to use when it speaks against scaling down. */
  fill(pod: string): number;
  rate(metrics: ReadonlyMap<string, number>): Rated;
}

function propose(
  { current, pods, metrics, resource, tolerances, nowMs }: PlainOptions,
  measure: Measure,
): Proposal {
  if (pods.length === 0)
    throw new MetricProblem('no pods returned by selector while calculating replica count');
  const { ready, unready, missing, ignored } = groupPods(pods, metrics, resource, nowMs);
  const names = new Set(pods.map(({ metadata }) => metadata.name));
  const counted = new Map<string, number>();
  for (const [name, { milli }] of metrics)
    if (names.has(name) && !ignored.has(name) && !unready.has(name)) counted.set(name, milli);
  if (counted.size === 0)
    throw new MetricProblem('did not receive metrics for targeted pods (pods might be unready)');

  const { ratio, ...measured } = measure.rate(counted);
  const countsUnready = unready.size > 0 && ratio > 1;
  if (!countsUnready && missing.size === 0)
    return { ...measured, replicas: isWithin(ratio, tolerances) ? current : Math.ceil(ratio * ready) };

  // Unknown values are assumed to speak against a change.
  if (ratio < 1) for (const name of missing) counted.set(name, measure.fill(name));
  if (ratio > 1) for (const name of missing) counted.set(name, 0);
  if (countsUnready) for (const name of unready) counted.set(name, 0);
  const careful = measure.rate(counted).ratio;
  const hasTurned = (ratio < 1 && careful > 1) || (ratio > 1 && careful < 1);
  if (hasTurned || isWithin(careful, tolerances)) return { ...measured, replicas: current };
  const replicas = Math.ceil(careful * counted.size);
  const isAgainst = (careful < 1 && replicas > current) || (careful > 1 && replicas < current);
  return { ...measured, replicas: isAgainst ? current : replicas };
}

/** From one value for all pods together (an object's or an external metric), in thousandths. */
export function replicasForValue(
  valueMilli: number,
  targetMilli: number,
  { current, pods, tolerances }: { current: number; pods: readonly Pod[]; tolerances: Tolerances },
): number {
  const ratio = valueMilli / targetMilli;
  if (current === 0) return Math.ceil(ratio);
  if (isWithin(ratio, tolerances)) return current;
  if (pods.length === 0)
    throw new MetricProblem(
      'unable to calculate ready pods: no pods returned by selector while calculating replica count',
    );
  return Math.ceil(ratio * pods.filter(isReady).length);
}

function isReady({ status }: Pod): boolean {
  if (status?.phase !== 'Running') return false;
  return status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}

/** From a value that is to be spread evenly, in thousandths. `statusReplicas`: the present replicas. */
export function replicasForShare(
  valueMilli: number,
  targetMilli: number,
  { statusReplicas, tolerances }: { statusReplicas: number; tolerances: Tolerances },
): Proposal {
  const ratio = statusReplicas === 0 ? Number.POSITIVE_INFINITY : valueMilli / (targetMilli * statusReplicas);
  const replicas = isWithin(ratio, tolerances) ? statusReplicas : Math.ceil(valueMilli / targetMilli);
  return { replicas, averageMilli: Math.ceil(valueMilli / Math.max(1, statusReplicas)) };
}

function isWithin(ratio: number, { up, down }: Tolerances): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

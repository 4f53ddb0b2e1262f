/** How fast a recommendation may be followed: stabilization windows, policies and bounds. Pure. */

import { parseQuantity } from '../../api/quantities/quantity.ts';
import type { HorizontalPodAutoscaler } from '../../api/resources.gen.ts';
import type { HPAScalingRules } from '../../api/types/autoscaling-v2.gen.ts';
import type { Tolerances } from './hpa-replicas.ts';

type Spec = NonNullable<HorizontalPodAutoscaler['spec']>;

export interface Recommendation {
  replicas: number;
  atMs: number;
}
/** The number of replicas by which the target was changed. */
export interface ScaleEvent {
  change: number;
  atMs: number;
}

/** What the controller remembers of one autoscaler. */
export interface ScalingHistory {
  recommendations: readonly Recommendation[];
  ups: readonly ScaleEvent[];
  downs: readonly ScaleEvent[];
}

export interface ConditionState {
  status: 'True' | 'False';
  reason: string;
  message: string;
}

export interface LimitedDecision {
  replicas: number;
  ableToScale: ConditionState;
  scalingLimited: ConditionState;
}

const stabilizeDownSecondsDefault = 300;
const toleranceDefault = 0.1;

const defaultUp: Required<Pick<HPAScalingRules, 'policies' | 'selectPolicy' | 'stabilizationWindowSeconds'>> =
  {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  };
const defaultDown: typeof defaultUp = {
  stabilizationWindowSeconds: stabilizeDownSecondsDefault,
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};

export function tolerancesOf({ behavior }: Spec): Tolerances {
  const read = (rules: HPAScalingRules | undefined) =>
    rules?.tolerance === undefined ? toleranceDefault : Number(parseQuantity(rules.tolerance).nanos) / 1e9;
  return { up: read(behavior?.scaleUp), down: read(behavior?.scaleDown) };
}

/** How long recommendations must be remembered. */
function windowMsOf({ behavior }: Spec): number {
  const up = behavior?.scaleUp?.stabilizationWindowSeconds ?? 0;
  const down = behavior?.scaleDown?.stabilizationWindowSeconds ?? stabilizeDownSecondsDefault;
  return Math.max(up, down) * 1000;
}

/** How long scalings must be remembered. */
function periodMsOf({ behavior }: Spec): number {
  const policies = [...(behavior?.scaleUp?.policies ?? []), ...(behavior?.scaleDown?.policies ?? [])];
  return Math.max(15, ...policies.map(({ periodSeconds }) => periodSeconds)) * 1000;
}

/** What of the history the windows and periods still cover. */
export function recentHistory(spec: Spec, history: ScalingHistory, nowMs: number): ScalingHistory {
  const since = (windowMs: number) => (entry: { atMs: number }) => entry.atMs > nowMs - windowMs;
  const { recommendations, ups, downs } = history;
  const periodMs = periodMsOf(spec);
  return {
    recommendations: recommendations.filter(since(windowMsOf(spec))),
    ups: ups.filter(since(periodMs)),
    downs: downs.filter(since(periodMs)),
  };
}

/** The history with one more change of size. */
export function withScaling(history: ScalingHistory, from: number, to: number, atMs: number): ScalingHistory {
  const event = { change: Math.abs(to - from), atMs };
  return to > from
    ? { ...history, ups: [...history.ups, event] }
    : { ...history, downs: [...history.downs, event] };
}

export interface ReplicaRequest {
  /** The present number of replicas. */
  current: number;
  /** What the metrics ask for. */
  desired: number;
  /** Does not include the present recommendation yet. */
  history: ScalingHistory;
  nowMs: number;
}

/** A recommendation, and the rules of its autoscaler. */
interface RuledRequest extends ReplicaRequest {
  up: Rules;
  down: Rules;
}

export function limitReplicas(spec: Spec, request: ReplicaRequest): LimitedDecision {
  const { current, desired, history, nowMs } = request;
  const up = { ...defaultUp, ...dropEmpty(spec.behavior?.scaleUp) };
  const down = { ...defaultDown, ...dropEmpty(spec.behavior?.scaleDown) };
  const stable = spec.behavior
    ? stabilizeBothWays({ ...request, up, down })
    : Math.max(desired, ...within(history.recommendations, down.stabilizationWindowSeconds, nowMs));
  const isUpwards = spec.behavior !== undefined && desired >= current;
  const ableToScale: ConditionState =
    stable === desired
      ? { status: 'True', reason: 'ReadyForNewScale', message: 'recommended size matches current size' }
      : {
          status: 'True',
          reason: isUpwards ? 'ScaleUpStabilized' : 'ScaleDownStabilized',
          message: isUpwards
            ? 'recent recommendations were lower than current one, applying the lowest recent recommendation'
            : 'recent recommendations were higher than current one, applying the highest recent recommendation',
        };
  const bounded = spec.behavior
    ? boundByPolicies(spec, { ...request, desired: stable, up, down })
    : boundByRate(spec, current, stable);
  const isLimited = bounded.replicas !== stable;
  return {
    replicas: bounded.replicas,
    ableToScale,
    scalingLimited: {
      status: isLimited ? 'True' : 'False',
      reason: bounded.reason,
      message: reasons[bounded.reason],
    },
  };
}

const reasons = {
  TooFewReplicas: 'the desired replica count is less than the minimum replica count',
  TooManyReplicas: 'the desired replica count is more than the maximum replica count',
  ScaleUpLimit: 'the desired replica count is increasing faster than the maximum scale rate',
  ScaleDownLimit: 'the desired replica count is decreasing faster than the maximum scale rate',
  DesiredWithinRange: 'the desired count is within the acceptable range',
} as const;

interface Bounded {
  replicas: number;
  reason: keyof typeof reasons;
}

/** Without `behavior`: at most doubled, or increased to four, in one step. */
function boundByRate({ minReplicas = 1, maxReplicas }: Spec, current: number, desired: number): Bounded {
  const rateLimit = Math.max(2 * current, 4);
  if (desired < minReplicas) return { replicas: minReplicas, reason: 'TooFewReplicas' };
  if (desired > Math.min(maxReplicas, rateLimit))
    return maxReplicas > rateLimit
      ? { replicas: rateLimit, reason: 'ScaleUpLimit' }
      : { replicas: maxReplicas, reason: 'TooManyReplicas' };
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

type Rules = typeof defaultUp;

function stabilizeBothWays({ current, desired, history, up, down, nowMs }: RuledRequest): number {
  const { recommendations } = history;
  const lowest = Math.min(desired, ...within(recommendations, up.stabilizationWindowSeconds, nowMs));
  const highest = Math.max(desired, ...within(recommendations, down.stabilizationWindowSeconds, nowMs));
  return Math.min(Math.max(current, lowest), highest);
}

function within(recommendations: readonly Recommendation[], seconds: number, nowMs: number): number[] {
  return recommendations.filter(({ atMs }) => atMs > nowMs - seconds * 1000).map(({ replicas }) => replicas);
}

function boundByPolicies(
  { minReplicas = 1, maxReplicas }: Spec,
  { current, desired, history, up, down, nowMs }: RuledRequest,
): Bounded {
  if (desired > current) {
    const limit = Math.max(current, upLimit(current, history, up, nowMs));
    const isRate = maxReplicas > limit;
    const allowed = isRate ? limit : maxReplicas;
    if (desired > allowed) return { replicas: allowed, reason: isRate ? 'ScaleUpLimit' : 'TooManyReplicas' };
  } else if (desired < current) {
    const limit = Math.min(current, downLimit(current, history, down, nowMs));
    const isRate = minReplicas < limit;
    const allowed = isRate ? limit : minReplicas;
    if (desired < allowed) return { replicas: allowed, reason: isRate ? 'ScaleDownLimit' : 'TooFewReplicas' };
  }
  return { replicas: desired, reason: 'DesiredWithinRange' };
}

/** Replicas at the start of a period: the present ones without the changes since. */
function atPeriodStart(
  current: number,
  { ups, downs }: ScalingHistory,
  seconds: number,
  nowMs: number,
): number {
  const changed = (events: readonly ScaleEvent[]) =>
    events
      .filter(({ atMs }) => atMs > nowMs - seconds * 1000)
      .reduce((total, { change }) => total + change, 0);
  return current - changed(ups) + changed(downs);
}

function upLimit(current: number, history: ScalingHistory, rules: Rules, nowMs: number): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const start = atPeriodStart(current, history, periodSeconds, nowMs);
    return type === 'Pods' ? start + value : Math.ceil(start * (1 + value / 100));
  });
  return rules.selectPolicy === 'Min' ? Math.min(...limits) : Math.max(...limits);
}

function downLimit(current: number, history: ScalingHistory, rules: Rules, nowMs: number): number {
  if (rules.selectPolicy === 'Disabled') return current;
  const limits = rules.policies.map(({ type, value, periodSeconds }) => {
    const start = atPeriodStart(current, history, periodSeconds, nowMs);
    return type === 'Pods' ? start - value : Math.trunc(start * (1 - value / 100));
  });
  return rules.selectPolicy === 'Min' ? Math.max(...limits) : Math.min(...limits);
}

function dropEmpty(rules: HPAScalingRules | undefined): Partial<Rules> {
  const { stabilizationWindowSeconds, selectPolicy, policies } = rules ?? {};
  return {
    ...(stabilizationWindowSeconds !== undefined && { stabilizationWindowSeconds }),
    ...(selectPolicy !== undefined && { selectPolicy: selectPolicy as Rules['selectPolicy'] }),
    ...(policies?.length && { policies }),
  };
}

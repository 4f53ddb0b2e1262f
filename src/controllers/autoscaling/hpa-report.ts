/** What one evaluation of an autoscaler reports: events, conditions and the rest of its status. Decides; never acts. */

import { withCondition } from '../../api/conditions.ts';
import type { HorizontalPodAutoscaler } from '../../api/resources.gen.ts';
import type { MetricStatus } from '../../api/types/autoscaling-v2.gen.ts';
import type { ConditionState, LimitedDecision } from './hpa-behavior.ts';
import type { CombinedMetrics } from './hpa-plan.ts';

type Status = NonNullable<HorizontalPodAutoscaler['status']>;

/** An evaluation that fails half-way still says what it has found out until then: it makes a report at each step. */
export interface Report {
  events?: readonly ReportedEvent[];
  conditions?: Partial<Record<'AbleToScale' | 'ScalingActive' | 'ScalingLimited', ConditionState>>;
  status?: Partial<Status>;
}

export interface ReportedEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** The status with all that was reported; of what is reported twice, the later counts. `now`: as RFC 3339. */
export function statusAfter(before: Status | undefined, reports: readonly Report[], now: string): Status {
  let conditions = before?.conditions ?? [];
  for (const report of reports)
    for (const [type, state] of Object.entries(report.conditions ?? {}))
      conditions = withCondition(conditions, { type, ...state }, now);
  const changes = Object.assign({}, ...reports.map(({ status }) => status)) as Partial<Status>;
  return { currentReplicas: 0, desiredReplicas: 0, ...before, ...changes, conditions };
}

export const scaleRead: Report = {
  conditions: {
    AbleToScale: {
      status: 'True',
      reason: 'SucceededGetScale',
      message: "the HPA controller was able to get the target's current scale",
    },
  },
};

export function scaleUnreadable(problem: string): Report {
  const reason = 'FailedGetScale';
  const message = `the HPA controller was unable to get the target's current scale: ${problem}`;
  return {
    events: [warning(reason, problem)],
    conditions: { AbleToScale: { status: 'False', reason, message } },
  };
}

/** Why the target's pods cannot be told from others. */
export type SelectorProblem =
  | { type: 'missing' }
  | { type: 'invalid'; error: string }
  | { type: 'ambiguous'; selector: string; autoscalers: readonly string[] };

export function selectorProblemText(problem: SelectorProblem): string {
  switch (problem.type) {
    case 'missing':
      return 'selector is required';
    case 'invalid':
      return `couldn't convert selector into a corresponding internal selector object: ${problem.error}`;
    case 'ambiguous':
      return `pods by selector ${problem.selector} are controlled by multiple HPAs: [${problem.autoscalers.join(' ')}]`;
  }
}

const selectorReasons = {
  missing: { event: 'SelectorRequired', condition: 'InvalidSelector' },
  invalid: { event: 'InvalidSelector', condition: 'InvalidSelector' },
  ambiguous: { event: 'AmbiguousSelector', condition: 'AmbiguousSelector' },
} as const;

export function selectorUnfit(problem: SelectorProblem, current: number): Report {
  const text = selectorProblemText(problem);
  const { event, condition: reason } = selectorReasons[problem.type];
  const message = problem.type === 'missing' ? "the HPA target's scale is missing a selector" : text;
  return {
    events: [warning(event, text), warning('FailedComputeMetricsReplicas', text)],
    conditions: { ScalingActive: { status: 'False', reason, message } },
    status: { currentReplicas: current, currentMetrics: [] },
  };
}

export function metricsCombined(combined: CombinedMetrics, current: number): Report {
  const { active, warnings, asked, statuses } = combined;
  return {
    events: warnings.map(({ reason, message }) => warning(reason, message)),
    conditions: { ScalingActive: active },
    ...(!asked && { status: { currentReplicas: current, currentMetrics: statuses } }),
  };
}

export function sizeLimited({ ableToScale, scalingLimited }: LimitedDecision): Report {
  return { conditions: { AbleToScale: ableToScale, ScalingLimited: scalingLimited } };
}

/** The target's size as it is and as it is to be. */
export interface SizeDecision {
  current: number;
  replicas: number;
  reason: string;
  /** Of the metrics that asked for it. */
  statuses: MetricStatus[];
}

export function rescaled(decision: SizeDecision): Report {
  const message = `the HPA controller was able to update the target scale to ${decision.replicas}`;
  return {
    events: [{ type: 'Normal', reason: 'SuccessfulRescale', message: sizeText(decision) }],
    conditions: { AbleToScale: { status: 'True', reason: 'SucceededRescale', message } },
  };
}

export function rescaleFailed(decision: SizeDecision, problem: string): Report {
  const message = `the HPA controller was unable to update the target scale: ${problem}`;
  return {
    events: [warning('FailedRescale', `${sizeText(decision)}; error: ${problem}`)],
    conditions: { AbleToScale: { status: 'False', reason: 'FailedUpdateScale', message } },
    status: { currentReplicas: decision.current, currentMetrics: decision.statuses },
  };
}

/** `now`: as RFC 3339. */
export function evaluated({ current, replicas, statuses }: SizeDecision, now: string): Report {
  return {
    status: {
      currentReplicas: current,
      desiredReplicas: replicas,
      currentMetrics: statuses,
      ...(replicas !== current && { lastScaleTime: now }),
    },
  };
}

function sizeText({ replicas, reason }: SizeDecision): string {
  return `New size: ${replicas}; reason: ${reason}`;
}

function warning(reason: string, message: string): ReportedEvent {
  return { type: 'Warning', reason, message };
}

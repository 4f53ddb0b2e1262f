/** HorizontalPodAutoscalers. */
import { ageColumn, column, countColumn, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import type { CellContext } from '../kinds/kind.ts';
import { HorizontalPodAutoscaler } from '../resources.gen.ts';
import type {
  HorizontalPodAutoscalerSpec,
  HPAScalingRules,
  MetricTarget,
} from '../types/autoscaling-v2.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../validation/field-error.ts';
import { invalidFor, nonNegative, oneOf } from '../validation/fields.ts';
import { nonNegativeQuantity } from '../validation/resources.ts';
import {
  hasBadVersion,
  type Reference,
  sourcesByType,
  validateMetric,
  validateReference,
  versionProblems,
} from './metric-rules.ts';
import { fromV1, fromV2beta1, showEmptyMetrics, showEmptyStatus, toV1, toV2beta1 } from './old-versions.ts';

const identity = <T>(object: T): T => object;
const periodSecondsMax = 1800;
const stabilizationSecondsMax = 3600;

export const horizontalPodAutoscalerKind = defineKind(HorizontalPodAutoscaler, {
  status: 'separate',
  columns: [
    nameColumn,
    column('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`),
    column('Targets', targetsCell),
    column('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
    {
      ...countColumn<HorizontalPodAutoscaler>('MaxPods', ({ spec }) => spec?.maxReplicas ?? 0),
      type: 'string',
    },
    {
      ...countColumn<HorizontalPodAutoscaler>('Replicas', ({ status }) => status?.currentReplicas ?? 0),
      type: 'string',
    },
    ageColumn,
  ],
  defaults(autoscaler) {
    const spec = autoscaler.spec;
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length)
      spec.metrics = [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ];
    if (spec.behavior) defaultBehavior(spec.behavior);
  },
  prepareCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0 };
    showEmptyMetrics(autoscaler);
  },
  *validate(autoscaler, { subresource, isUpdate }) {
    const { spec, status } = autoscaler;
    if (subresource === 'status')
      for (const name of ['currentReplicas', 'desiredReplicas'] as const)
        yield* nonNegative(status?.[name], `status.${name}`);
    // Of an update, what may stay as it was depends on what there was.
    else if (!isUpdate) yield* validateSpec(spec, undefined);
  },
  *validateUpdate(autoscaler, old, { subresource }) {
    if (subresource !== 'status') yield* validateSpec(autoscaler.spec, old.spec);
  },
  versions: [
    { version: 'v1', toStored: fromV1, fromStored: toV1 },
    {
      version: 'v2beta2',
      toStored: identity,
      fromStored: showEmptyStatus,
      deprecation: {
        since: '1.23',
        removedIn: '1.26',
        replacement: 'autoscaling/v2 HorizontalPodAutoscaler',
      },
    },
    {
      version: 'v2beta1',
      toStored: fromV2beta1,
      fromStored: toV2beta1,
      deprecation: {
        since: '1.22',
        removedIn: '1.25',
        replacement: 'autoscaling/v2 HorizontalPodAutoscaler',
      },
    },
  ],
});

function defaultBehavior(behavior: NonNullable<HorizontalPodAutoscalerSpec['behavior']>): void {
  behavior.scaleUp ??= {};
  behavior.scaleUp.stabilizationWindowSeconds ??= 0;
  behavior.scaleUp.selectPolicy ??= 'Max';
  behavior.scaleUp.policies ??= [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ];
  behavior.scaleDown ??= {};
  behavior.scaleDown.selectPolicy ??= 'Max';
  behavior.scaleDown.policies ??= [{ type: 'Percent', value: 100, periodSeconds: 15 }];
}

type Spec = HorizontalPodAutoscalerSpec;

function* validateSpec(given: Spec | undefined, old: Spec | undefined): FieldErrors {
  const spec = given ?? ({} as Spec);
  const { minReplicas = 1, maxReplicas = 0, metrics = [] } = spec;
  if (minReplicas < (old?.minReplicas === 0 ? 0 : 1))
    yield invalidValue('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  if (maxReplicas === 0) yield invalidValue('spec.maxReplicas', 0, 'must be greater than 0');
  else if (maxReplicas < 0)
    yield invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to 1');
  if (maxReplicas < minReplicas)
    yield invalidValue('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  yield* validateReference(spec.scaleTargetRef, 'spec.scaleTargetRef');
  yield* validateTargetVersion(spec.scaleTargetRef, old?.scaleTargetRef);
  const skipsVersions = metrics.length > 0 && (old?.metrics ?? []).some(hasBadVersion);
  for (const [index, metric] of metrics.entries())
    yield* validateMetric(metric, `spec.metrics[${index}]`, { skipsVersions });
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External'))
    yield forbiddenField(
      'spec.metrics',
      'must specify at least one Object or External metric to support scaling to zero replicas',
    );
  yield* validateRules(spec.behavior?.scaleUp, 'spec.behavior.scaleUp');
  yield* validateRules(spec.behavior?.scaleDown, 'spec.behavior.scaleDown');
}

/** What is scaled is of a group, but for ReplicationControllers. */
function* validateTargetVersion(reference: Reference | undefined, old: Reference | undefined): FieldErrors {
  const { apiVersion = '', kind } = reference ?? {};
  if (old && (old.apiVersion ?? '') === apiVersion && old.kind === kind) return;
  yield* invalidFor(
    'spec.scaleTargetRef.apiVersion',
    apiVersion,
    kind === 'ReplicationController' ? versionProblems(apiVersion) : groupVersionProblems(apiVersion),
  );
}

/** Of a kind that is in a named group. */
function groupVersionProblems(apiVersion: string): string[] {
  return apiVersion.includes('/') ? versionProblems(apiVersion) : ['apiVersion must specify API group'];
}

function* validateRules(rules: HPAScalingRules | undefined, field: string): FieldErrors {
  if (!rules) return;
  const window = rules.stabilizationWindowSeconds;
  if (window !== undefined && window < 0)
    yield invalidValue(
      `${field}.stabilizationWindowSeconds`,
      window,
      'must be greater than or equal to zero',
    );
  if (window !== undefined && window > stabilizationSecondsMax)
    yield invalidValue(
      `${field}.stabilizationWindowSeconds`,
      window,
      `must be less than or equal to ${stabilizationSecondsMax}`,
    );
  if (rules.selectPolicy !== undefined)
    yield* oneOf(rules.selectPolicy, ['Disabled', 'Max', 'Min'], `${field}.selectPolicy`);
  if (!rules.policies?.length) yield required(`${field}.policies`, 'must specify at least one Policy');
  for (const [index, policy] of (rules.policies ?? []).entries()) {
    const path = `${field}.policies[${index}]`;
    yield* oneOf(policy.type, ['Percent', 'Pods'], `${path}.type`);
    if (!(policy.value > 0)) yield invalidValue(`${path}.value`, policy.value, 'must be greater than zero');
    if (!(policy.periodSeconds > 0))
      yield invalidValue(`${path}.periodSeconds`, policy.periodSeconds, 'must be greater than zero');
    if (policy.periodSeconds > periodSecondsMax)
      yield invalidValue(
        `${path}.periodSeconds`,
        policy.periodSeconds,
        `must be less than or equal to ${periodSecondsMax}`,
      );
  }
  if (rules.tolerance !== undefined) yield* nonNegativeQuantity(rules.tolerance, `${field}.tolerance`);
}

const shownTargetsMax = 2;
const unknown = '<unknown>';

/** Those that clients ask for by name are older than the name of the resource in a target: their output stays as it was. */
const olderVersions: readonly (string | undefined)[] = [
  'autoscaling/v1',
  'autoscaling/v2beta1',
  'autoscaling/v2beta2',
];

/** `current/target` of each metric. */
function targetsCell({ spec, status }: HorizontalPodAutoscaler, { apiVersion }: CellContext): string {
  const isOlder = olderVersions.includes(apiVersion);
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return '<none>';
  const texts = metrics.map((metric, index) => {
    const current = status?.currentMetrics?.[index];
    const source = sourcesByType[metric.type] as 'resource';
    const resource = isOlder ? undefined : (metric.resource ?? metric.containerResource)?.name;
    const name = resource ? `${resource}: ` : '';
    const target: MetricTarget | undefined = metric[source]?.target;
    const now = current?.[source]?.current as
      | { averageValue?: string; averageUtilization?: number; value?: string }
      | undefined;
    if (!target) return `<unknown type>`;
    if (target.averageValue !== undefined) {
      const suffix = metric.type === 'External' || metric.type === 'Object' ? ' (avg)' : '';
      return `${name}${now?.averageValue ?? unknown}/${target.averageValue}${suffix}`;
    }
    if (target.value !== undefined) return `${now?.value ?? unknown}/${target.value}`;
    const utilization = now?.averageUtilization;
    const wanted = target.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`;
    return `${name}${utilization === undefined ? unknown : `${utilization}%`}/${wanted}`;
  });
  const shown = texts.slice(0, shownTargetsMax).join(', ');
  return texts.length > shownTargetsMax ? `${shown} + ${texts.length - shownTargetsMax} more...` : shown;
}

/** Jobs. */
import {
  ageColumn,
  column,
  formatSelector,
  humanDuration,
  nameColumn,
  podColumns,
  wideColumn,
} from '../columns.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { validatePodTemplate } from '../core/pod-spec/validate.ts';
import { templateWarnings } from '../core/pod-spec/warnings.ts';
import { defineKind } from '../define-kind.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../field-error.ts';
import { matchesLabelSelector } from '../label-selector.ts';
import { Job } from '../resources.gen.ts';
import type { JobSpec } from '../types/batch-v1.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { immutable, inRange, nonNegative, oneOf } from '../validation/fields.ts';
import { validateLabelSelector } from '../validation/label-selector.ts';

/** Labels by which a Job knows its pods, with their older names. */
export const jobUidLabel = 'batch.kubernetes.io/controller-uid';
export const jobNameLabel = 'batch.kubernetes.io/job-name';
const oldUidLabel = 'controller-uid';
const oldNameLabel = 'job-name';
const unlimited = 2147483647;
const indexedMax = 100000;

export const jobKind = defineKind(Job, {
  status: 'separate',
  hasGeneration: true,
  defaultPropagation: 'orphan',
  columns: [
    nameColumn,
    column('Status', statusCell),
    column('Completions', completionsCell),
    column('Duration', durationCell),
    ageColumn,
    ...podColumns<Job>((job) => job.spec?.template?.spec),
    wideColumn('Selector', (job) => formatSelector(job.spec?.selector)),
  ],
  defaults: defaultJob,
  prepareCreate(job) {
    job.status = {};
    if (job.spec && !job.spec.manualSelector) generateSelector(job);
  },
  prepareStatusUpdate(job, old) {
    job.spec = old.spec!;
  },
  warnings: (job, old) => templateWarnings(job.spec?.template, old?.spec?.template, 'spec.template'),
  *validate(job, { subresource }) {
    if (subresource === 'status') {
      for (const name of ['active', 'succeeded', 'failed'] as const)
        yield* nonNegative(job.status?.[name], `status.${name}`);
      return;
    }
    yield* validateJobSpec(job.spec ?? ({} as JobSpec), 'spec');
    const selector = job.spec?.selector;
    if (!selector) yield required('spec.selector');
    else yield* validateLabelSelector(selector, 'spec.selector');
    if (job.spec && !job.spec.manualSelector) yield* validateGeneratedSelector(job);
    const labels = job.spec?.template?.metadata?.labels;
    if (selector && !matchesLabelSelector(selector, labels))
      yield invalidValue(
        'spec.template.metadata.labels',
        labels ?? {},
        '`selector` does not match template `labels`',
      );
  },
  *validateUpdate(job, old, { subresource }) {
    if (subresource !== 'status') yield* validateJobUpdate(job, old);
  },
  selectableFields: (job) => ({ 'status.successful': String(job.status?.succeeded ?? 0) }),
});

function defaultJob(job: Job): void {
  const spec = job.spec;
  if (!spec) return;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : unlimited;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  const labels = spec.template?.metadata?.labels;
  if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = { ...labels };
  defaultPodTemplate(spec.template);
}

function generateSelector(job: Job): void {
  const spec = job.spec!;
  const { uid, name = '' } = job.metadata;
  const template = spec.template;
  template.metadata ??= {} as NonNullable<typeof template.metadata>;
  template.metadata.labels = {
    ...template.metadata.labels,
    [oldUidLabel]: uid,
    [jobUidLabel]: uid,
    [oldNameLabel]: name,
    [jobNameLabel]: name,
  };
  spec.selector ??= {};
  if (Object.keys(spec.selector.matchLabels ?? {}).length === 0)
    spec.selector.matchLabels = { [jobUidLabel]: uid };
}

function* validateGeneratedSelector(job: Job): FieldErrors {
  const expected = { [jobUidLabel]: job.metadata.uid };
  const old = { [oldUidLabel]: job.metadata.uid };
  const { matchLabels, matchExpressions } = job.spec?.selector ?? {};
  if (matchExpressions?.length || (!semanticEqual(matchLabels, expected) && !semanticEqual(matchLabels, old)))
    yield invalidValue('spec.selector', job.spec?.selector ?? null, '`selector` not auto-generated');
}

/** Also for the template of CronJobs. */
export function* validateJobSpec(spec: JobSpec, field: string): FieldErrors {
  for (const name of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const)
    yield* nonNegative(spec[name], `${field}.${name}`);
  if (spec.completionMode !== undefined)
    yield* oneOf(spec.completionMode, ['NonIndexed', 'Indexed'], `${field}.completionMode`);
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined)
      yield required(`${field}.completions`, 'when completion mode is Indexed');
    if (spec.parallelism !== undefined)
      yield* inRange(spec.parallelism, 0, indexedMax, `${field}.parallelism`);
  } else
    for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
      if (spec[name] !== undefined)
        yield invalidValue(`${field}.${name}`, spec[name], 'requires indexed completion mode');
  yield* validatePodFailurePolicy(spec, `${field}.podFailurePolicy`);
  if (spec.podReplacementPolicy !== undefined)
    yield* oneOf(
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
      `${field}.podReplacementPolicy`,
    );
  yield* validatePodTemplate(spec.template, `${field}.template`);
  const restartPolicy = spec.template?.spec?.restartPolicy;
  if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    yield required(`${field}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
}

function* validatePodFailurePolicy(spec: JobSpec, field: string): FieldErrors {
  const policy = spec.podFailurePolicy;
  if (!policy) return;
  if (spec.template?.spec?.restartPolicy !== 'Never')
    yield invalidValue(
      field.replace('podFailurePolicy', 'template.spec.restartPolicy'),
      spec.template?.spec?.restartPolicy ?? '',
      'only "Never" is supported when podFailurePolicy is specified',
    );
  for (const [index, rule] of (policy.rules ?? []).entries()) {
    const path = `${field}.rules[${index}]`;
    if (!rule.action)
      yield required(`${path}.action`, 'valid values: "Count", "FailIndex", "FailJob", "Ignore"');
    else yield* oneOf(rule.action, ['Count', 'FailIndex', 'FailJob', 'Ignore'], `${path}.action`);
    const codes = rule.onExitCodes;
    const conditions = rule.onPodConditions ?? [];
    if (codes && conditions.length > 0)
      yield invalidValue(path, rule, 'specifying both OnExitCodes and OnPodConditions is not supported');
    if (!codes && conditions.length === 0)
      yield invalidValue(path, rule, 'specifying one of OnExitCodes and OnPodConditions is required');
    if (!codes) continue;
    yield* oneOf(codes.operator, ['In', 'NotIn'], `${path}.onExitCodes.operator`, 'required');
    if (!codes.values?.length)
      yield invalidValue(
        `${path}.onExitCodes.values`,
        codes.values ?? null,
        'at least one value is required',
      );
    else if (codes.operator === 'In' && codes.values.includes(0))
      yield invalidValue(
        `${path}.onExitCodes.values[${codes.values.indexOf(0)}]`,
        0,
        'must not be 0 for the In operator',
      );
    if (codes.containerName !== undefined) {
      const names = [
        ...(spec.template?.spec?.containers ?? []),
        ...(spec.template?.spec?.initContainers ?? []),
      ];
      if (!names.some(({ name }) => name === codes.containerName))
        yield invalidValue(
          `${path}.onExitCodes.containerName`,
          codes.containerName,
          'must be one of the container or initContainer names in the pod template',
        );
    }
  }
}

function* validateJobUpdate(job: Job, old: Job): FieldErrors {
  const [spec, before] = [job.spec!, old.spec!];
  if (spec.completionMode === 'Indexed' && spec.completions !== before.completions) {
    // An indexed Job grows and shrinks with its parallelism.
    if (spec.completions !== spec.parallelism)
      yield invalidValue(
        'spec.completions',
        spec.completions ?? null,
        'can only be modified in tandem with parallelism',
      );
  } else yield* immutable(spec.completions, before.completions, 'spec.completions');
  yield* immutable(spec.selector, before.selector, 'spec.selector');
  yield* immutable(templateThatMayNotChange(job, old), before.template, 'spec.template');
  for (const name of [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const)
    yield* immutable(spec[name], before[name], `spec.${name}`);
  if (before.podReplacementPolicy && spec.podReplacementPolicy !== before.podReplacementPolicy)
    yield forbiddenField('spec.podReplacementPolicy', 'field is immutable');
}

/** While a Job has not started, where its pods may run can still be changed. */
function templateThatMayNotChange(job: Job, old: Job): JobSpec['template'] {
  const template = job.spec!.template;
  const notStarted = old.spec?.suspend && !old.status?.startTime;
  if (!notStarted) return template;
  const before = old.spec!.template;
  const spec = { ...template.spec! };
  for (const name of ['nodeSelector', 'affinity', 'tolerations', 'schedulingGates'] as const) {
    if (before.spec?.[name] === undefined) delete spec[name];
    else Object.assign(spec, { [name]: before.spec[name] });
  }
  return { ...template, ...(before.metadata && { metadata: before.metadata }), spec };
}

function statusCell(job: Job): string {
  const has = (type: string) =>
    (job.status?.conditions ?? []).some(
      (condition) => condition.type === type && condition.status === 'True',
    );
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet']) if (has(type)) return type;
  return 'Running';
}

function completionsCell(job: Job): string {
  const succeeded = job.status?.succeeded ?? 0;
  const { completions, parallelism = 0 } = job.spec ?? {};
  if (completions !== undefined) return `${succeeded}/${completions}`;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationCell(job: Job, { nowMs }: { nowMs: number }): string {
  const { startTime, completionTime } = job.status ?? {};
  if (!startTime) return '';
  return humanDuration((completionTime ? Date.parse(completionTime) : nowMs) - Date.parse(startTime));
}

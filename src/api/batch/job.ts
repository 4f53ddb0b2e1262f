/** Jobs. */

import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { validatePodTemplate } from '../core/pod-spec/validate.ts';
import { podNameWarnings } from '../core/pod-spec/warnings.ts';
import {
  ageColumn,
  column,
  formatSelector,
  humanDuration,
  nameColumn,
  podColumns,
  wideColumn,
} from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Job } from '../resources.gen.ts';
import { matchesLabelSelector } from '../selectors/label-selector.ts';
import type { JobSpec } from '../types/batch-v1.gen.ts';
import type { Container } from '../types/core-v1.gen.ts';
import { validateDomainPrefixedPath } from '../validation/domain-path.ts';
import { innerForm } from '../validation/error-value.ts';
import {
  type FieldErrors,
  invalidValue,
  notSupportedInOrder,
  required,
  tooLong,
} from '../validation/field-error.ts';
import { immutable, nonNegative, oneOf, oneOfInOrder } from '../validation/fields.ts';
import { isCompilable, validateLabelSelector } from '../validation/label-selector.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { validatePodFailurePolicy, validateSuccessPolicy } from './job-policies.ts';
import { validateJobStatus } from './job-status.ts';
import { jobSpecWarnings } from './job-warnings.ts';

/** Labels by which a Job knows its pods, with their older names. */
const jobUidLabel = 'batch.kubernetes.io/controller-uid';
export const jobNameLabel = 'batch.kubernetes.io/job-name';
const oldUidLabel = 'controller-uid';
const oldNameLabel = 'job-name';
const unlimited = 2147483647;
const indexedMax = 100_000;
/** Limits on parallelism and failed indexes of a Job with more indexes than that and a limit per index. */
const manyIndexesMax = 10_000;
const managerLengthMax = 63;

export const jobKind = defineKind(Job, {
  status: 'separate',
  hasGeneration: true,
  defaultPropagation: 'orphan',
  deletionWarning:
    'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning',
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
  *warnings(job, old) {
    if (!old) yield* podNameWarnings(job.metadata);
    const isChanged = old?.metadata.generation !== job.metadata.generation;
    if (isChanged) yield* jobSpecWarnings(job.spec, 'spec');
  },
  *validate(job, { subresource }) {
    if (subresource === 'status') return;
    if (job.spec?.selector && !job.spec.manualSelector) yield* validateGeneratedSelector(job);
    yield* validateSpecAndSelector(job.spec ?? ({} as JobSpec));
    yield* validateHostNames(job);
  },
  *validateUpdate(job, old, { subresource }) {
    if (subresource === 'status') yield* validateJobStatus(job, old);
    else yield* validateJobUpdate(job, old);
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
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  const labels = spec.template?.metadata?.labels;
  // The same object: what is added to the labels of its pods is added to a Job's that has no labels itself.
  if (labels && Object.keys(job.metadata.labels ?? {}).length === 0) job.metadata.labels = labels;
  defaultPodTemplate(spec.template);
}

function ownLabels({ metadata: { uid, name = '' } }: Job): Record<string, string> {
  return { [oldUidLabel]: uid, [oldNameLabel]: name, [jobUidLabel]: uid, [jobNameLabel]: name };
}

/** A client that says these labels itself, as with an exported Job, must say them right. */
function generateSelector(job: Job): void {
  const spec = job.spec!;
  const { uid } = job.metadata;
  const template = spec.template;
  template.metadata ??= {} as NonNullable<typeof template.metadata>;
  const given = template.metadata.labels;
  const hasOwn = job.metadata.labels !== undefined && job.metadata.labels !== given;
  template.metadata.labels = { ...ownLabels(job), ...given };
  if (!hasOwn) job.metadata.labels = { ...template.metadata.labels };
  spec.selector ??= {};
  spec.selector.matchLabels = { [jobUidLabel]: uid, ...spec.selector.matchLabels };
}

function* validateGeneratedSelector(job: Job): FieldErrors {
  const expected = ownLabels(job);
  const labels = job.spec!.template?.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(expected)) {
    const field = `spec.template.metadata.labels[${key}]`;
    if (labels[key] === undefined) yield required(field, `must be '${value}'`);
    else if (labels[key] !== value)
      yield invalidValue(field, innerForm('map string', labels), `must be '${value}'`);
  }
  const { selector } = job.spec!;
  if (isCompilable(selector) && !matchesLabelSelector(selector, expected))
    yield invalidValue(
      'spec.selector',
      innerForm('meta.LabelSelector', selector),
      '`selector` not auto-generated',
    );
}

function* validateSpecAndSelector(spec: JobSpec): FieldErrors {
  yield* validateJobSpec(spec, 'spec');
  const { selector, template } = spec;
  if (!selector) yield required('spec.selector');
  else yield* validateLabelSelector(selector, 'spec.selector');
  const labels = template?.metadata?.labels;
  if (isCompilable(selector) && !matchesLabelSelector(selector, labels))
    yield invalidValue(
      'spec.template.metadata.labels',
      innerForm('map string', labels),
      '`selector` does not match template `labels`',
    );
}

/** The pods of an indexed Job bear its name and their index. */
function* validateHostNames({ metadata, spec }: Job): FieldErrors {
  if (spec?.completionMode !== 'Indexed' || !spec.completions) return;
  const last = `${metadata.name}-${spec.completions - 1}`;
  if (dnsLabelProblems(last).length > 0)
    yield invalidValue(
      'metadata.name',
      metadata.name,
      `will not able to create pod with invalid DNS label: ${last}`,
    );
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
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    yield required(`${field}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified');
  if (spec.managedBy !== undefined) {
    yield* validateDomainPrefixedPath(spec.managedBy, `${field}.managedBy`);
    if (spec.managedBy.length > managerLengthMax) yield tooLong(`${field}.managedBy`, managerLengthMax);
  }
  yield* validateCompletionMode(spec, field);
  if (spec.podFailurePolicy) yield* validatePodFailurePolicy(spec, `${field}.podFailurePolicy`);
  if (spec.successPolicy) yield* validateSuccessPolicy(spec, `${field}.successPolicy`);
  if (spec.podReplacementPolicy !== undefined)
    yield* oneOf(
      spec.podReplacementPolicy,
      spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'],
      `${field}.podReplacementPolicy`,
    );
  yield* validatePodTemplate(spec.template, `${field}.template`);
  yield* validateRestartPolicy(spec, `${field}.template.spec.restartPolicy`);
}

function* validateRestartPolicy({ template, podFailurePolicy }: JobSpec, field: string): FieldErrors {
  const restartPolicy = template?.spec?.restartPolicy;
  if (!restartPolicy || restartPolicy === 'Always')
    yield required(field, 'valid values: "OnFailure", "Never"');
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never')
    yield notSupportedInOrder(field, restartPolicy, ['OnFailure', 'Never']);
  else if (podFailurePolicy && restartPolicy !== 'Never')
    yield invalidValue(field, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified');
}

function* validateCompletionMode(spec: JobSpec, field: string): FieldErrors {
  if (spec.completionMode !== undefined)
    yield* oneOfInOrder(spec.completionMode, ['NonIndexed', 'Indexed'], `${field}.completionMode`);
  if (spec.completionMode === 'Indexed') {
    if (spec.completions === undefined)
      yield required(`${field}.completions`, 'when completion mode is Indexed');
    yield* validateIndexLimits(spec, field);
    return;
  }
  if (spec.completionMode !== undefined && spec.completionMode !== 'NonIndexed') return;
  for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
    if (spec[name] !== undefined)
      yield invalidValue(`${field}.${name}`, spec[name], 'requires indexed completion mode');
}

/** A status must be able to say which of the indexes are done and which have failed. */
function* validateIndexLimits(spec: JobSpec, field: string): FieldErrors {
  const { completions = 0, parallelism = 0, maxFailedIndexes } = spec;
  const [parallelismField, failedField] = [`${field}.parallelism`, `${field}.maxFailedIndexes`];
  const tooManyFailed = (most: string) =>
    invalidValue(failedField, maxFailedIndexes, `must be less than or equal to ${most}`);
  if (parallelism > indexedMax)
    yield invalidValue(
      parallelismField,
      parallelism,
      `must be less than or equal to ${indexedMax} when completion mode is Indexed`,
    );
  const failedMax = maxFailedIndexes ?? 0;
  if (spec.completions !== undefined && failedMax > completions) yield tooManyFailed('completions');
  if (failedMax > indexedMax) yield tooManyFailed(`${indexedMax}`);
  if (completions <= indexedMax || spec.backoffLimitPerIndex === undefined) return;
  if (maxFailedIndexes === undefined)
    yield required(failedField, `must be specified when completions is above ${indexedMax}`);
  const most = `${manyIndexesMax} when completions are above ${indexedMax} and used with backoff limit per index`;
  if (parallelism > manyIndexesMax)
    yield invalidValue(parallelismField, parallelism, `must be less than or equal to ${most}`);
  if (failedMax > manyIndexesMax) yield tooManyFailed(most);
}

function* validateJobUpdate(job: Job, old: Job): FieldErrors {
  const [spec, before] = [job.spec!, old.spec!];
  // Upstream validates the spec itself twice.
  yield* validateSpecAndSelector(spec);
  if (spec.completionMode === 'Indexed' && spec.completions !== before.completions) {
    // An indexed Job grows and shrinks with its parallelism.
    if (spec.completions !== spec.parallelism)
      yield invalidValue(
        'spec.completions',
        spec.completions ?? null,
        'can only be modified in tandem with spec.parallelism',
      );
  } else yield* immutable(spec.completions, before.completions, 'spec.completions');
  yield* immutable(spec.selector, before.selector, 'spec.selector', 'meta.LabelSelector');
  yield* immutable(
    templateThatMayNotChange(job, old),
    before.template,
    'spec.template',
    'core.PodTemplateSpec',
  );
  for (const [name, innerType] of [
    ['completionMode'],
    ['podFailurePolicy', 'batch.PodFailurePolicy'],
    ['backoffLimitPerIndex'],
    ['managedBy'],
    ['successPolicy', 'batch.SuccessPolicy'],
  ] as const)
    yield* immutable(spec[name], before[name], `spec.${name}`, innerType);
}

/** While a Job waits and has no pods, where they may run and what they need can still be changed. */
function templateThatMayNotChange(job: Job, old: Job): JobSpec['template'] {
  const template = job.spec!.template;
  const before = old.spec!.template;
  if (!old.spec?.suspend || (old.status?.active ?? 0) > 0 || !(isSuspended(old) || !old.status?.startTime))
    return template;
  const spec = { ...template.spec! };
  for (const name of ['nodeSelector', 'tolerations', 'schedulingGates'] as const)
    restore(spec, before.spec ?? {}, name);
  spec.affinity = { ...spec.affinity };
  restore(spec.affinity, before.spec?.affinity ?? {}, 'nodeAffinity');
  if (Object.keys(spec.affinity).length === 0 && !before.spec?.affinity) delete spec.affinity;
  for (const name of ['containers', 'initContainers'] as const)
    if (spec[name]) spec[name] = withResourcesOf(spec[name], before.spec?.[name] ?? []);
  const metadata = { ...template.metadata } as NonNullable<typeof template.metadata>;
  for (const name of ['labels', 'annotations'] as const) restore(metadata, before.metadata ?? {}, name);
  return { ...template, metadata, spec };
}

function isSuspended({ status }: Job): boolean {
  return (status?.conditions ?? []).some(({ type, status }) => type === 'Suspended' && status === 'True');
}

/** Takes a field back to what it was. */
function restore<T extends object>(target: T, before: Partial<T>, name: keyof T): void {
  if (before[name] === undefined) delete target[name];
  else Object.assign(target, { [name]: before[name] });
}

/** Requests and limits as they were; other fields of resources may not change. */
function withResourcesOf(containers: readonly Container[], before: readonly Container[]): Container[] {
  return containers.map((container) => {
    const old = before.find(({ name }) => name === container.name);
    if (!old) return container;
    const resources = { ...container.resources };
    for (const name of ['requests', 'limits'] as const) restore(resources, old.resources ?? {}, name);
    return { ...container, resources };
  });
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

/** CronJobs. */

import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { podNameWarnings } from '../core/pod-spec/warnings.ts';
import {
  ageColumn,
  ageSince,
  column,
  countColumn,
  flagColumn,
  formatFlag,
  formatSelector,
  nameColumn,
  podColumns,
  wideColumn,
} from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { CronJob } from '../resources.gen.ts';
import type { CronJobSpec, JobSpec } from '../types/batch-v1.gen.ts';
import { type FieldErrors, invalidValue, notSupportedInOrder, required } from '../validation/field-error.ts';
import { nameRule, nonNegative, oneOf } from '../validation/fields.ts';
import { lengthProblem, subdomainProblems } from '../validation/names.ts';
import { CronError, parseCron } from './cron-schedule.ts';
import { validateJobSpec } from './job.ts';
import { jobSpecWarnings } from './job-warnings.ts';

/** What the names of Jobs append must still fit. */
const nameLengthMax = 52;

export const cronJobKind = defineKind(CronJob, {
  status: 'separate',
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Schedule', (cronJob) => cronJob.spec?.schedule ?? ''),
    column('Timezone', (cronJob) => cronJob.spec?.timeZone ?? '<none>'),
    flagColumn('Suspend', (cronJob) => formatFlag(cronJob.spec?.suspend)),
    countColumn('Active', (cronJob) => cronJob.status?.active?.length ?? 0),
    column('Last Schedule', (cronJob, { nowMs }) =>
      cronJob.status?.lastScheduleTime ? ageSince(cronJob.status.lastScheduleTime, nowMs) : '<none>',
    ),
    ageColumn,
    ...podColumns<CronJob>((cronJob) => cronJob.spec?.jobTemplate?.spec?.template?.spec),
    wideColumn('Selector', (cronJob) => formatSelector(cronJob.spec?.jobTemplate?.spec?.selector)),
  ],
  validateName: nameRule((name) => [
    ...subdomainProblems(name),
    ...(name.length > nameLengthMax ? [lengthProblem(nameLengthMax)] : []),
  ]),
  defaults(cronJob) {
    const spec = cronJob.spec;
    if (!spec) return;
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    defaultPodTemplate(spec.jobTemplate?.spec?.template);
  },
  prepareCreate(cronJob) {
    cronJob.status = {};
  },
  *warnings(cronJob, old) {
    if (!old) yield* podNameWarnings(cronJob.metadata);
    const isChanged = old?.metadata.generation !== cronJob.metadata.generation;
    if (isChanged) yield* jobSpecWarnings(cronJob.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec');
    if (old && cronJob.spec?.schedule?.includes('TZ'))
      yield 'cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details';
  },
  *validate(cronJob, { subresource }) {
    if (subresource !== 'status') yield* validateSpec(cronJob.spec ?? ({} as CronJobSpec));
  },
  versions: [
    {
      version: 'v1beta1',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.21', removedIn: '1.25', replacement: 'batch/v1 CronJob' },
    },
    {
      version: 'v2alpha1',
      defaultPropagation: 'orphan',
      deprecation: { since: '1.8', removedIn: '1.21', replacement: 'batch/v1 CronJob' },
    },
  ],
});

function* validateSpec(spec: CronJobSpec): FieldErrors {
  if (!spec.schedule) yield required('spec.schedule');
  else yield* validateSchedule(spec.schedule, spec.timeZone);
  if (spec.timeZone !== undefined) yield* validateTimeZone(spec.timeZone);
  yield* nonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds');
  yield* oneOf(spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'], 'spec.concurrencyPolicy', 'required');
  const jobSpec = spec.jobTemplate?.spec ?? ({} as JobSpec);
  yield* validateJobSpec(jobSpec, 'spec.jobTemplate.spec');
  if (jobSpec.selector)
    yield invalidValue(
      'spec.jobTemplate.spec.selector',
      jobSpec.selector,
      '`selector` will be auto-generated',
    );
  if (jobSpec.manualSelector)
    yield notSupportedInOrder('spec.jobTemplate.spec.manualSelector', jobSpec.manualSelector, [
      'nil',
      'false',
    ]);
  yield* nonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit');
  yield* nonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit');
}

function* validateSchedule(schedule: string, timeZone: string | undefined): FieldErrors {
  if (/^(TZ|CRON_TZ)=/.test(schedule)) {
    yield invalidValue(
      'spec.schedule',
      schedule,
      timeZone === undefined
        ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
        : 'cannot use both timeZone field and TZ or CRON_TZ in schedule',
    );
    return;
  }
  try {
    parseCron(schedule);
  } catch (error) {
    if (!(error instanceof CronError)) throw error;
    yield invalidValue('spec.schedule', schedule, error.message);
  }
}

function* validateTimeZone(timeZone: string): FieldErrors {
  if (timeZone === '')
    yield invalidValue('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string');
  else if (timeZone.toLowerCase() === 'local')
    yield invalidValue(
      'spec.timeZone',
      timeZone,
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    );
  else if (!isTimeZone(timeZone))
    yield invalidValue('spec.timeZone', timeZone, `unknown time zone ${timeZone}`);
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

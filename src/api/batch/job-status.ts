/**
 * Validation of writes to the status of a Job. Other controllers manage Jobs too (`spec.managedBy`), and clients rely
 * on an ended Job staying so. A rule looks only at what the write changes: an old fault does not block other changes.
 */

import type { Job } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import {
  duplicate,
  type FieldErrors,
  invalidValue,
  invalidWithoutValue,
  required,
} from '../validation/field-error.ts';
import { nonNegative } from '../validation/fields.ts';
import { firstCommonIndex, parseIntervals } from './index-intervals.ts';

const conditionsField = 'status.conditions';

function isTrue(job: Job, type: string): boolean {
  return (job.status?.conditions ?? []).some(
    (condition) => condition.type === type && condition.status === 'True',
  );
}

function isFinished(job: Job): boolean {
  return isTrue(job, 'Complete') || isTrue(job, 'Failed');
}

export function* validateJobStatus(job: Job, old: Job): FieldErrors {
  yield* validateCounts(job);
  yield* validateUncounted(job);
  yield* validateEnd(job, old);
  yield* validateIndexes(job, old);
  yield* validateSuccess(job);
  yield* validateTransition(job, old);
}

function* validateCounts({ status }: Job): FieldErrors {
  for (const name of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const)
    yield* nonNegative(status?.[name], `status.${name}`);
}

function* validateUncounted({ status }: Job): FieldErrors {
  const seen = new Set<string>();
  for (const name of ['succeeded', 'failed'] as const)
    for (const [index, uid] of (status?.uncountedTerminatedPods?.[name] ?? []).entries()) {
      const field = `status.uncountedTerminatedPods.${name}[${index}]`;
      if (uid === '') yield invalidValue(field, uid, 'must not be empty');
      else if (seen.has(uid)) yield duplicate(field, uid);
      seen.add(uid);
    }
}

/** What must hold of a Job that has ended, and of one that has not. */
function* validateEnd(job: Job, old: Job): FieldErrors {
  const status = job.status ?? {};
  const before = old.status ?? {};
  const { startTime, completionTime, active = 0, uncountedTerminatedPods: uncounted } = status;
  const changes = (test: (one: Job) => boolean) => test(job) !== test(old);
  const isComplete = (one: Job) => isTrue(one, 'Complete');
  const completes = changes(isComplete);
  const finishes = changes(isFinished);
  const startMoves = startTime !== before.startTime;
  const completionMoves = completionTime !== before.completionTime;
  if ((completes || changes((one) => isTrue(one, 'Failed'))) && isComplete(job) && isTrue(job, 'Failed'))
    yield invalidWithoutValue(conditionsField, 'cannot set Complete=True and Failed=true conditions');
  const isDoomed = (one: Job) => isTrue(one, 'FailureTarget');
  if ((completes || changes(isDoomed)) && isComplete(job) && isDoomed(job))
    yield invalidWithoutValue(conditionsField, 'cannot set Complete=True and FailureTarget=true conditions');
  const completionField = 'status.completionTime';
  if (completes || completionMoves) {
    if (completionTime && !isComplete(job))
      yield invalidValue(
        completionField,
        completionTime,
        'cannot set completionTime when there is no Complete=True condition',
      );
    if (!completionTime && isComplete(job))
      yield required(completionField, 'completionTime is required for Complete jobs');
  }
  if (startTime && completionTime && (startMoves || completionMoves) && completionTime < startTime)
    yield invalidValue(completionField, completionTime, 'completionTime cannot be set before startTime');
  yield* validateAnnounced(job, old);
  if (!isFinished(job)) return;
  if (active > 0 && (finishes || active !== (before.active ?? 0)))
    yield invalidValue('status.active', active, 'active>0 is invalid for finished job');
  if (!startTime && (finishes || startMoves))
    yield required('status.startTime', 'startTime is required for finished job');
  const left = (uncounted?.failed?.length ?? 0) + (uncounted?.succeeded?.length ?? 0);
  if (left > 0 && (finishes || !semanticEqual(uncounted, before.uncountedTerminatedPods)))
    yield invalidValue(
      'status.uncountedTerminatedPods',
      uncounted,
      'uncountedTerminatedPods needs to be empty for finished job',
    );
}

/** How a Job ends is announced by a condition of its own: its pods may still be running then. */
function* validateAnnounced(job: Job, old: Job): FieldErrors {
  const { status = {} } = job;
  const before = old.status ?? {};
  const changes = (type: string) => isTrue(job, type) !== isTrue(old, type);
  if (
    (changes('Failed') || status.failedIndexes !== before.failedIndexes) &&
    isTrue(job, 'Failed') &&
    !isTrue(job, 'FailureTarget')
  )
    yield invalidWithoutValue(
      conditionsField,
      'cannot set Failed=True condition without the FailureTarget=true condition',
    );
  if (
    (changes('Complete') || changes('SuccessCriteriaMet')) &&
    isTrue(job, 'Complete') &&
    !isTrue(job, 'SuccessCriteriaMet')
  )
    yield invalidWithoutValue(
      conditionsField,
      'cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
    );
  const { ready, active = 0 } = status;
  const isMoved = ready !== before.ready || active !== (before.active ?? 0);
  if (isMoved && ready !== undefined && ready > active)
    yield invalidValue('status.ready', ready, 'cannot set more ready pods than active');
}

function* validateIndexes(job: Job, old: Job): FieldErrors {
  const { completions, completionMode, backoffLimitPerIndex } = job.spec!;
  const { completedIndexes = '', failedIndexes } = job.status ?? {};
  const completedMoves = completedIndexes !== (old.status?.completedIndexes ?? '');
  const failedMoves = failedIndexes !== old.status?.failedIndexes;
  const completed = parseIntervals(completedIndexes, completions ?? 0);
  const failed = parseIntervals(failedIndexes ?? '', completions ?? 0);
  const [completedField, failedField] = ['status.completedIndexes', 'status.failedIndexes'];
  if (completedMoves && completions !== undefined && typeof completed === 'string')
    yield invalidValue(completedField, completedIndexes, `error parsing completedIndexes: ${completed}`);
  const limitsIndexes = backoffLimitPerIndex !== undefined;
  if (failedMoves && completions !== undefined && limitsIndexes && typeof failed === 'string')
    yield invalidValue(failedField, failedIndexes, `error parsing failedIndexes: ${failed}`);
  if (completedMoves && completedIndexes !== '' && completionMode !== 'Indexed')
    yield invalidValue(
      completedField,
      completedIndexes,
      'cannot set non-empty completedIndexes when non-indexed completion mode',
    );
  if (failedMoves && failedIndexes !== undefined && !limitsIndexes)
    yield invalidValue(
      failedField,
      failedIndexes,
      'cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    );
  if (completions === undefined || !(failedMoves || completedMoves)) return;
  if (typeof completed === 'string' || typeof failed === 'string') return;
  const common = firstCommonIndex(completed, failed);
  if (common !== undefined)
    yield invalidValue(
      failedField,
      failedIndexes,
      `failedIndexes and completedIndexes overlap at index: ${common}`,
    );
}

function* validateSuccess(job: Job): FieldErrors {
  const isMet = isTrue(job, 'SuccessCriteriaMet');
  if (isMet && isTrue(job, 'Failed'))
    yield invalidWithoutValue(
      conditionsField,
      'cannot set SuccessCriteriaMet=True and Failed=true conditions',
    );
  if (isMet && isTrue(job, 'FailureTarget'))
    yield invalidWithoutValue(
      conditionsField,
      'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions',
    );
  if (job.spec?.successPolicy && !isMet && isTrue(job, 'Complete'))
    yield invalidWithoutValue(
      conditionsField,
      'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True',
    );
}

/** What may not be taken back. */
function* validateTransition(job: Job, old: Job): FieldErrors {
  const [status, before] = [job.status ?? {}, old.status ?? {}];
  for (const type of ['Failed', 'Complete', 'FailureTarget'])
    if (isTrue(old, type) && !isTrue(job, type))
      yield invalidWithoutValue(conditionsField, `cannot disable the terminal ${type}=True condition`);
  const { failed = 0, succeeded = 0, startTime, completionTime } = status;
  if (failed < (before.failed ?? 0))
    yield invalidValue('status.failed', failed, 'cannot decrease the failed counter');
  const { completionMode, completions, parallelism, suspend } = job.spec!;
  // An elastic Job, whose completions follow its parallelism, may lose completed indexes.
  const isElastic = completionMode === 'Indexed' && completions === parallelism;
  if (!isElastic && succeeded < (before.succeeded ?? 0))
    yield invalidValue('status.succeeded', succeeded, 'cannot decrease the succeeded counter');
  if (completionTime && before.completionTime && completionTime !== before.completionTime)
    yield invalidValue('status.completionTime', completionTime, 'completionTime cannot be mutated');
  if (before.startTime && before.startTime !== startTime && !suspend)
    yield required('status.startTime', 'startTime cannot be removed for unsuspended job');
  const [wasMet, isMet] = [isTrue(old, 'SuccessCriteriaMet'), isTrue(job, 'SuccessCriteriaMet')];
  if (wasMet && !isMet)
    yield invalidWithoutValue(conditionsField, 'cannot disable the SuccessCriteriaMet=True condition');
  if (isTrue(old, 'Complete') && !wasMet && isMet)
    yield invalidWithoutValue(
      conditionsField,
      'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions',
    );
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../../../api/resources.gen.ts';
import type { JobStatus } from '../../../api/types/batch-v1.gen.ts';
import { job, pod } from '../../objects.fixture.ts';
import type { JobPlan, Verdict } from './job-plan.ts';
import { trackingFinalizer } from './job-pod.ts';
import { countedStatus, outcomesOf, recordingStatus, suspensionEvent } from './job-status.ts';

const now = '2026-01-01T01:00:00Z';
const planOf = (more: Partial<JobPlan> = {}): JobPlan => ({
  create: [],
  remove: [],
  waitMs: undefined,
  verdict: undefined,
  completedIndexes: undefined,
  failedIndexes: undefined,
  newlySucceeded: [],
  newlyFailed: [],
  failureActions: [],
  release: [],
  active: 0,
  ready: 0,
  terminating: 0,
  succeeded: 0,
  failed: 0,
  backoff: { failures: 0, lastFailureMs: 0 },
  ...more,
});
const success: Verdict = { outcome: 'success', reason: 'CompletionsReached', message: 'done' };
const failure: Verdict = { outcome: 'failure', reason: 'BackoffLimitExceeded', message: 'too many' };
const tracked = (name: string) => pod(name, { finalizers: [trackingFinalizer] });
const types = ({ conditions }: JobStatus) => conditions?.map(({ type, status }) => `${type} ${status}`);
const counted = (given: Job, plan: JobPlan, pods: ReturnType<typeof pod>[], released: string[] = []) =>
  countedStatus({ job: given, recorded: outcomesOf(given, plan), now }, plan, pods, new Set(released));

for (const [what, plan, isRecorded] of [
  ['nothing new', planOf({ active: 1 }), false],
  ['a pod that succeeded', planOf({ newlySucceeded: ['uid-a'] }), true],
  ['a pod that failed', planOf({ newlyFailed: ['uid-a'] }), true],
  ['a pod to be let go that does not count', planOf({ release: [tracked('a')] }), true],
  ['an end that is near', planOf({ verdict: success }), true],
] as const)
  test(`${what} is ${isRecorded ? '' : 'not '}recorded before finalizers go`, () => {
    assert.equal(recordingStatus(job(), plan, now) !== undefined, isRecorded);
  });

test('recorded outcomes join those that are not counted yet', () => {
  const uncountedTerminatedPods = { succeeded: ['x'], failed: ['y'] };
  const status = recordingStatus(job({}, { uncountedTerminatedPods }), planOf({ newlyFailed: ['z'] }), now);
  assert.deepEqual(status?.uncountedTerminatedPods, { succeeded: ['x'], failed: ['y', 'z'] });
});

test('outcomes are counted of pods that are gone or were released, and no others', () => {
  const given = job({ completions: 9 }, { succeeded: 1, failed: 2 });
  const plan = planOf({ newlySucceeded: ['uid-a', 'uid-held', 'uid-gone'], newlyFailed: ['uid-b'] });
  const pods = [tracked('a'), tracked('held'), pod('b')];
  const { status, end } = counted(given, plan, pods, ['uid-a']);
  assert.deepEqual([status.succeeded, status.failed, end], [3, 3, undefined]);
  assert.deepEqual(status.uncountedTerminatedPods, { succeeded: ['uid-held'], failed: [] });
});

test('a job with indexes counts those that are complete', () => {
  const plan = planOf({
    completedIndexes: new Set([0, 1, 3]),
    failedIndexes: new Set([2]),
    newlyFailed: ['uid-x'],
  });
  const { status } = counted(job({ completionMode: 'Indexed' }, { succeeded: 1 }), plan, []);
  assert.deepEqual(
    [status.succeeded, status.completedIndexes, status.failedIndexes, status.failed],
    [3, '0,1,3', '2', 1],
  );
});

/** The plan, its pods and those released; the conditions, and whether the job has ended. */
const ends: [string, JobPlan, ReturnType<typeof pod>[], string[], string[], boolean][] = [
  [
    'ends when all is counted',
    planOf({ verdict: success }),
    [],
    [],
    ['SuccessCriteriaMet True', 'Complete True'],
    true,
  ],
  ['that failed says so', planOf({ verdict: failure }), [], [], ['FailureTarget True', 'Failed True'], true],
  ['waits for pods that run', planOf({ verdict: failure, active: 1 }), [], [], ['FailureTarget True'], false],
  [
    'waits for pods on their way out',
    planOf({ verdict: success, terminating: 1 }),
    [],
    [],
    ['SuccessCriteriaMet True'],
    false,
  ],
  [
    'waits for pods that could not be let go',
    planOf({ verdict: failure, release: [tracked('a')] }),
    [tracked('a')],
    [],
    ['FailureTarget True'],
    false,
  ],
  [
    'ends when the last is let go',
    planOf({ verdict: failure, release: [tracked('a')], newlyFailed: ['uid-a'] }),
    [tracked('a')],
    ['uid-a'],
    ['FailureTarget True', 'Failed True'],
    true,
  ],
];
for (const [what, plan, pods, released, conditions, isOver] of ends)
  test(`a job ${what}`, () => {
    const { status, end } = counted(job(), plan, pods, released);
    assert.deepEqual(types(status), conditions);
    assert.equal(end, isOver ? plan.verdict : undefined);
    assert.equal(status.completionTime, isOver && plan.verdict === success ? now : undefined);
  });

test('an end that is announced is announced once', () => {
  const first = counted(job(), planOf({ verdict: failure, active: 1 }), []).status;
  const second = counted(job({}, { ...first }), planOf({ verdict: failure }), []).status;
  assert.deepEqual(types(second), ['FailureTarget True', 'Failed True']);
});

test('a suspended job has not started, and starts anew when it is resumed', () => {
  const suspendedStatus = counted(job({ suspend: true }), planOf(), []).status;
  assert.deepEqual([suspendedStatus.startTime, types(suspendedStatus)], [undefined, ['Suspended True']]);
  const resumed = job({ suspend: false }, suspendedStatus as Record<string, unknown>);
  delete resumed.status!.startTime;
  const { status } = counted(resumed, planOf(), []);
  assert.deepEqual([status.startTime, types(status)], [now, ['Suspended False']]);
  assert.deepEqual(suspensionEvent(job().status, suspendedStatus), {
    reason: 'Suspended',
    message: 'Job suspended',
  });
  assert.deepEqual(suspensionEvent(suspendedStatus, status), { reason: 'Resumed', message: 'Job resumed' });
  assert.equal(suspensionEvent(status, status), undefined);
  assert.equal(suspensionEvent(undefined, job().status!), undefined);
});

test('a job that ends while it is suspended has started', () => {
  const { status, end } = counted(job({ suspend: true }), planOf({ verdict: success }), []);
  assert.deepEqual([status.startTime, end], [now, success]);
});

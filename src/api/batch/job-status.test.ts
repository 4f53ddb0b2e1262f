import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job } from '../resources.gen.ts';
import type { JobStatus } from '../types/batch-v1.gen.ts';
import { validateJobStatus } from './job-status.ts';

const at = (second: number) => `2026-01-01T00:00:0${second}Z`;
const conditions = (...types: string[]) => types.map((type) => ({ type, status: 'True' }));

function errorsOf(status: JobStatus, before: JobStatus = {}, spec: object = {}): string[] {
  const job = (one: JobStatus) => ({ metadata: {}, spec, status: one }) as Job;
  return [...validateJobStatus(job(status), job(before))].map(({ text }) => text);
}

test('a Job that completes has started, has no pods left, and says when', () => {
  const complete = { conditions: conditions('SuccessCriteriaMet', 'Complete') };
  assert.deepEqual(errorsOf({ ...complete, startTime: at(1), completionTime: at(2) }), []);
  assert.deepEqual(errorsOf({ ...complete, active: 1 }), [
    'status.completionTime: Required value: completionTime is required for Complete jobs',
    'status.active: Invalid value: 1: active>0 is invalid for finished job',
    'status.startTime: Required value: startTime is required for finished job',
  ]);
  assert.deepEqual(errorsOf({ startTime: at(2), completionTime: at(1) }), [
    `status.completionTime: Invalid value: "${at(1)}": cannot set completionTime when there is no Complete=True condition`,
    `status.completionTime: Invalid value: "${at(1)}": completionTime cannot be set before startTime`,
  ]);
  const uncountedTerminatedPods = { succeeded: ['a'], failed: ['a', ''] };
  assert.deepEqual(
    errorsOf({
      conditions: conditions('FailureTarget', 'Failed'),
      startTime: at(1),
      uncountedTerminatedPods,
    }),
    [
      'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
      'status.uncountedTerminatedPods.failed[1]: Invalid value: "": must not be empty',
      'status.uncountedTerminatedPods: Invalid value: {"succeeded":["a"],"failed":["a",""]}: uncountedTerminatedPods needs to be empty for finished job',
    ],
  );
});

test('how a Job ends is announced before it has ended', () => {
  const ended = { startTime: at(1), completionTime: at(2) };
  assert.deepEqual(errorsOf({ ...ended, conditions: conditions('Complete') }), [
    'status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition',
  ]);
  assert.deepEqual(errorsOf({ startTime: at(1), conditions: conditions('Failed') }), [
    'status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition',
  ]);
  // What was stored without it may change in other ways.
  const old = { startTime: at(1), conditions: conditions('Failed') };
  assert.deepEqual(errorsOf({ ...old, failed: 1 }, old), []);
});

test('no more pods are ready than are active', () => {
  assert.deepEqual(errorsOf({ active: 2, ready: 2 }), []);
  assert.deepEqual(errorsOf({ active: 1, ready: 2 }), [
    'status.ready: Invalid value: 2: cannot set more ready pods than active',
  ]);
});

test('final conditions of a status cannot be taken back', () => {
  const before = {
    startTime: at(1),
    failed: 2,
    succeeded: 2,
    conditions: conditions('FailureTarget', 'Failed'),
  };
  assert.deepEqual(errorsOf({ startTime: at(2), failed: 1, succeeded: 1 }, before), [
    'status.conditions: Invalid value: cannot disable the terminal Failed=True condition',
    'status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition',
    'status.failed: Invalid value: 1: cannot decrease the failed counter',
    'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter',
    'status.startTime: Required value: startTime cannot be removed for unsuspended job',
  ]);
  assert.deepEqual(errorsOf({}, { startTime: at(1) }, { suspend: true }), []);
});

test('a Job cannot fail and succeed', () => {
  const status = { startTime: at(1), conditions: conditions('SuccessCriteriaMet', 'FailureTarget') };
  assert.deepEqual(errorsOf(status), [
    'status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions',
  ]);
});

test('indexes are those of the Job, each done or failed', () => {
  const spec = { completionMode: 'Indexed', completions: 4, backoffLimitPerIndex: 1 };
  assert.deepEqual(errorsOf({ completedIndexes: '0-1', failedIndexes: '2' }, {}, spec), []);
  assert.deepEqual(errorsOf({ completedIndexes: '0-2', failedIndexes: '2,3' }, {}, spec), [
    'status.failedIndexes: Invalid value: "2,3": failedIndexes and completedIndexes overlap at index: 2',
  ]);
  assert.deepEqual(errorsOf({ completedIndexes: '0-4' }, {}, spec), [
    'status.completedIndexes: Invalid value: "0-4": error parsing completedIndexes: too large index: "4"',
  ]);
  assert.deepEqual(errorsOf({ completedIndexes: '0', failedIndexes: '1' }, {}, { completions: 4 }), [
    'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
    'status.failedIndexes: Invalid value: "1": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
  ]);
  // What was wrong before is not this write's fault.
  assert.deepEqual(errorsOf({ completedIndexes: '9', active: 1 }, { completedIndexes: '9' }, spec), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../api/resources.gen.ts';
import { job, nowMs, type PodShape, pod } from '../../objects.fixture.ts';
import { afterSteps, planJob } from './job-plan.ts';
import { trackingFinalizer } from './job-pod.ts';

const held = (name: string, shape: PodShape) => pod(name, { ...shape, finalizers: [trackingFinalizer] });
const long = '2026-01-01T00:00:00Z';
const justNow = '2026-01-01T00:59:58Z';
const failed = (name: string, finishedAt = long, exitCode = 1) =>
  held(name, { phase: 'Failed', exitCode, finishedAt });
const succeeded = (name: string) => held(name, { phase: 'Succeeded', exitCode: 0 });
const atIndex = (index: number, shape: PodShape) =>
  held(`j-${index}`, {
    ...shape,
    annotations: { 'batch.kubernetes.io/job-completion-index': String(index), ...shape.annotations },
  });

test('as many pods run at a time as parallelism says, and no more than are left to do', () => {
  assert.equal(planJob(job({ parallelism: 2, completions: 4 }), [], nowMs).create.length, 2);
  assert.equal(
    planJob(job({ parallelism: 3, completions: 4 }, { succeeded: 3 }), [], nowMs).create.length,
    1,
  );
  assert.equal(planJob(job({ parallelism: 0 }), [], nowMs).create.length, 0);
});

test('pods that were created and removed are counted, and no others of the plan', () => {
  const plan = planJob(
    job({ parallelism: 3, completions: 5 }),
    [held('a', {}), held('b', { ready: false })],
    nowMs,
  );
  const counts = ({ active, ready, terminating }: typeof plan) => [active, ready, terminating];
  assert.deepEqual(counts(afterSteps(plan, { created: 0, removed: 0 })), [2, 1, 0]);
  assert.deepEqual(counts(afterSteps(plan, { created: 1, removed: 0 })), [3, 1, 0]);
  assert.deepEqual(counts(afterSteps(plan, { created: 0, removed: 2 })), [0, 0, 2]);
});

test('an outcome is counted once: not again while its pod is held, nor after', () => {
  const pods = [succeeded('a'), failed('b')];
  const plan = planJob(job({ completions: 4 }), pods, nowMs);
  assert.deepEqual(
    [plan.newlySucceeded, plan.newlyFailed, plan.succeeded, plan.failed],
    [['uid-a'], ['uid-b'], 1, 1],
  );
  const uncounted = { uncountedTerminatedPods: { succeeded: ['uid-a'], failed: ['uid-b'] } };
  const again = planJob(job({ completions: 4 }, uncounted), pods, nowMs);
  assert.deepEqual([again.newlySucceeded, again.newlyFailed, again.succeeded, again.failed], [[], [], 1, 1]);
  const released = [pod('a', { phase: 'Succeeded' }), pod('b', { phase: 'Failed', exitCode: 1 })];
  const after = planJob(job({ completions: 4 }, { succeeded: 1, failed: 1 }), released, nowMs);
  assert.deepEqual([after.newlySucceeded, after.newlyFailed, after.succeeded, after.failed], [[], [], 1, 1]);
});

test('pods that fail one after the other make the next one wait longer each time', () => {
  const wait = (count: number) =>
    planJob(
      job(),
      Array.from({ length: count }, (_, index) => failed(`f${index}`, justNow)),
      nowMs,
    ).waitMs;
  assert.deepEqual([wait(1), wait(2), wait(3)], [8_000, 18_000, 38_000]);
  assert.equal(planJob(job(), [failed('a')], nowMs).create.length, 1);
});

test('a job ends as its limits say', () => {
  const reason = (one: ReturnType<typeof job>, pods: ReturnType<typeof pod>[]) =>
    planJob(one, pods, nowMs).verdict?.reason;
  assert.equal(reason(job({ backoffLimit: 0 }), [failed('a')]), 'BackoffLimitExceeded');
  assert.equal(reason(job({ backoffLimit: 1 }), [failed('a')]), undefined);
  assert.equal(reason(job({ activeDeadlineSeconds: 60 }), [held('a', {})]), 'DeadlineExceeded');
  assert.equal(reason(job(), [succeeded('a')]), 'CompletionsReached');
  assert.equal(
    reason(job({ completions: undefined, parallelism: 3 }), [succeeded('a'), held('b', {})]),
    undefined,
  );
  assert.equal(
    reason(job({ completions: undefined, parallelism: 3 }), [succeeded('a'), succeeded('b')]),
    'CompletionsReached',
  );
  const onFailure = { backoffLimit: 2, template: { spec: { restartPolicy: 'OnFailure', containers: [] } } };
  assert.equal(reason(job(onFailure), [held('a', { restarts: 2 })]), 'BackoffLimitExceeded');
});

test('a job that is suspended removes its pods and makes none', () => {
  const plan = planJob(job({ suspend: true, parallelism: 2, completions: 2 }), [held('a', {})], nowMs);
  assert.deepEqual([plan.create.length, plan.remove.length], [0, 1]);
});

test('each index is done once, lowest first', () => {
  const indexed = (more: object = {}, status: Record<string, unknown> = {}) =>
    job({ completionMode: 'Indexed', completions: 5, parallelism: 3, ...more }, status);
  assert.deepEqual(planJob(indexed(), [], nowMs).create, [0, 1, 2]);
  const plan = planJob(indexed({}, { completedIndexes: '0,2' }), [atIndex(1, {})], nowMs);
  assert.deepEqual(plan.create, [3, 4]);
  const twice = [
    atIndex(0, {}),
    { ...atIndex(0, {}), metadata: { ...atIndex(0, {}).metadata, uid: 'other', name: 'other' } },
  ];
  assert.equal(planJob(indexed({ parallelism: 1 }), twice, nowMs).remove.length, 1);
});

test('an index fails by its own limit, and the job when the rest is done', () => {
  const spec = { completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 0 };
  const bad = atIndex(0, {
    phase: 'Failed',
    exitCode: 1,
    annotations: { 'batch.kubernetes.io/job-index-failure-count': '0' },
  });
  const plan = planJob(job(spec), [bad, atIndex(1, {})], nowMs);
  assert.deepEqual([[...plan.failedIndexes!], plan.verdict], [[0], undefined]);
  assert.equal(
    planJob(job(spec), [bad, atIndex(1, { phase: 'Succeeded', exitCode: 0 })], nowMs).verdict?.reason,
    'FailedIndexes',
  );
  // Pods that nothing is left to do for do not hold it up.
  const surplus = planJob(job({ ...spec }, { completedIndexes: '1' }), [bad, atIndex(1, {})], nowMs);
  assert.deepEqual([surplus.verdict?.reason, surplus.remove.length], ['FailedIndexes', 1]);
  assert.equal(
    planJob(job({ ...spec, maxFailedIndexes: 0 }), [bad, atIndex(1, {})], nowMs).verdict?.reason,
    'MaxFailedIndexesExceeded',
  );
});

test('the failure policy fails the job, ignores, or counts', () => {
  const policy = (action: string) => ({
    podFailurePolicy: { rules: [{ action, onExitCodes: { operator: 'In', values: [42] } }] },
  });
  const bad = failed('a', long, 42);
  const fatal = planJob(job(policy('FailJob')), [bad], nowMs).verdict;
  assert.equal(fatal?.reason, 'PodFailurePolicy');
  assert.equal(
    fatal?.message,
    'Container c for pod default/a failed with exit code 42 matching FailJob rule at index 0',
  );
  assert.deepEqual(
    [planJob(job(policy('Ignore')), [bad], nowMs).failed, planJob(job(policy('Count')), [bad], nowMs).failed],
    [0, 1],
  );
});

test('the success policy ends a job early', () => {
  const spec = {
    completionMode: 'Indexed',
    completions: 5,
    parallelism: 5,
    successPolicy: { rules: [{ succeededIndexes: '0' }] },
  };
  const plan = planJob(job(spec), [atIndex(0, { phase: 'Succeeded', exitCode: 0 }), atIndex(1, {})], nowMs);
  assert.deepEqual(
    [plan.verdict?.reason, plan.verdict?.message, plan.remove.length],
    ['SuccessPolicy', 'Matched rules at index 0', 1],
  );
});

test('a pod on its way out is replaced at once, or only when it has ended, as the policy says', () => {
  const leaving = held('a', { deleted: true });
  assert.equal(
    planJob(job({ podReplacementPolicy: 'TerminatingOrFailed', backoffLimit: 6 }), [{ ...leaving }], nowMs)
      .failed,
    1,
  );
  const patient = planJob(job({ podReplacementPolicy: 'Failed' }), [leaving], nowMs);
  assert.deepEqual([patient.failed, patient.create.length], [0, 0]);
});

/** The first goes where the job wants one pod less. */
const surplus: [string, PodShape, PodShape][] = [
  ['one without a node', {}, { node: 'n' }],
  ['one that is pending', { node: 'n', phase: 'Pending', ready: false }, { node: 'n', ready: false }],
  ['one that is not ready', { node: 'n', ready: false }, { node: 'n' }],
  ['the last that was ready', { node: 'n', readySince: '2026-01-01T00:30:00Z' }, { node: 'n' }],
  ['one that started again', { node: 'n', restarts: 1 }, { node: 'n' }],
  ['the younger', { node: 'n', created: '2026-01-01T00:30:00Z' }, { node: 'n' }],
];
for (const [what, goes, stays] of surplus)
  test(`of surplus pods ${what} goes first, whatever its index`, () => {
    const remove = (spec: object, pods: Pod[]) =>
      planJob(job({ completions: 5, parallelism: 1, ...spec }), pods, nowMs).remove.map(
        ({ metadata }) => metadata.name,
      );
    assert.deepEqual(remove({}, [held('stays', stays), held('goes', goes)]), ['goes']);
    const indexed = { completionMode: 'Indexed' };
    for (const [first, second] of [
      [0, 1],
      [1, 0],
    ] as const)
      assert.deepEqual(remove(indexed, [atIndex(first, stays), atIndex(second, goes)]), [
        atIndex(second, goes).metadata.name,
      ]);
  });

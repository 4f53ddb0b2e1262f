import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CronJob, Job } from '../types/batch-v1.gen.ts';
import { cronJobKind } from './cron-job.ts';
import { CronError, type CronFields, parseCron } from './cron-schedule.ts';
import { jobKind } from './job.ts';

function fieldsOf(text: string): CronFields {
  const cron = parseCron(text);
  assert.ok('minutes' in cron);
  return cron;
}

test('schedules are five fields, with names, ranges and steps', () => {
  const { minutes, hours, daysOfWeek, anyDayOfMonth } = fieldsOf('*/20 9-17/4 * jan-mar mon,FRI');
  assert.deepEqual([...minutes], [0, 20, 40]);
  assert.deepEqual([...hours], [9, 13, 17]);
  assert.deepEqual([...daysOfWeek], [1, 5]);
  assert.equal(anyDayOfMonth, true);
  assert.deepEqual([...fieldsOf('5/15 * * * *').minutes], [5, 20, 35, 50]);
  assert.deepEqual([...fieldsOf('@hourly').minutes], [0]);
  assert.deepEqual(parseCron('@every 1h30m'), { everyMs: 5_400_000 });
});

test('a day field is any day with a star, but not with a step of more than one', () => {
  const any = (field: string) => fieldsOf(`0 0 ${field} * 1`).anyDayOfMonth;
  assert.deepEqual(['*', '?', '*/1', '5,*', '*/2', '1-31'].map(any), [true, true, true, true, false, false]);
});

test('schedules that are none say why, as upstream does', () => {
  const rows: [string, string][] = [
    ['x', 'expected exactly 5 fields, found 1: [x]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['a * * * *', 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'],
    [
      '* * * constructor *',
      'failed to parse int from constructor: strconv.Atoi: parsing "constructor": invalid syntax',
    ],
    ['@often', 'unrecognized descriptor: @often'],
  ];
  for (const [text, message] of rows)
    assert.throws(
      () => parseCron(text),
      (error: unknown) => error instanceof CronError && error.message === message,
    );
});

function job(spec: object): Job {
  const object = {
    metadata: { name: 'j', uid: 'u1' },
    spec: {
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } },
      ...spec,
    },
  } as Job;
  jobKind.defaults!(object);
  jobKind.prepareCreate!(object);
  jobKind.defaults!(object);
  return object;
}

test('a Job selects its pods by its own uid', () => {
  const made = job({});
  assert.deepEqual(made.spec!.selector, { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } });
  assert.equal(made.spec!.template.metadata!.labels!['job-name'], 'j');
  assert.deepEqual([...jobKind.validate(made, { subresource: '' })], []);
  const foreign = job({ selector: { matchLabels: { a: 'b' } } });
  assert.match(
    [...jobKind.validate(foreign, { subresource: '' })].map(({ text }) => text).join(),
    /not auto-generated/,
  );
});

test('a Job without labels of its own has those of its pods, generated ones among them', () => {
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [] } };
  assert.deepEqual(Object.keys(job({ template }).metadata.labels!).sort(), [
    'app',
    'batch.kubernetes.io/controller-uid',
    'batch.kubernetes.io/job-name',
    'controller-uid',
    'job-name',
  ]);
  assert.equal(job({}).metadata.labels!['job-name'], 'j');
});

test('a Job that runs once says so, whatever is left out', () => {
  assert.deepEqual([job({}).spec!.completions, job({}).spec!.parallelism], [1, 1]);
  assert.deepEqual(
    [job({ parallelism: 3 }).spec!.completions, job({ completions: 2 }).spec!.parallelism],
    [undefined, 1],
  );
});

test('a Job that names its labels itself must name its own', () => {
  const template = {
    metadata: { labels: { 'controller-uid': 'of-another', 'job-name': 'x' } },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
  };
  const fields = [...jobKind.validate(job({ template }), { subresource: '' })].map(({ field }) => field);
  assert.deepEqual(fields, [
    'spec.template.metadata.labels[controller-uid]',
    'spec.template.metadata.labels[job-name]',
  ]);
});

test('a suspended Job without pods may still say what they need', () => {
  const old = job({ suspend: true });
  const resized = structuredClone(old);
  const container = resized.spec!.template.spec!.containers[0]!;
  container.resources = { requests: { cpu: '1' } };
  const errors = () => [...jobKind.validateUpdate!(resized, old, { subresource: '' })].length;
  assert.equal(errors(), 0);
  old.status = { startTime: '2020-01-01T00:00:00Z', active: 1, conditions: [suspendedCondition] };
  assert.equal(errors(), 1);
  old.status.active = 0;
  assert.equal(errors(), 0);
  container.image = 'other';
  assert.equal(errors(), 1);
});

const suspendedCondition = { type: 'Suspended', status: 'True' };

test('the template of a Job that waits may still say where its pods run', () => {
  const old = job({ suspend: true });
  const moved = structuredClone(old);
  moved.spec!.template.spec!.nodeSelector = { a: 'b' };
  assert.deepEqual([...jobKind.validateUpdate!(moved, old, { subresource: '' })], []);
  old.status = { startTime: '2020-01-01T00:00:00Z' };
  assert.equal([...jobKind.validateUpdate!(moved, old, { subresource: '' })].length, 1);
});

test('a CronJob’s time zone is a name that exists', () => {
  const fields = (spec: object) => {
    const object = {
      metadata: { name: 'c' },
      spec: {
        schedule: '* * * * *',
        concurrencyPolicy: 'Allow',
        jobTemplate: { spec: { ...job({}).spec, selector: undefined } },
        ...spec,
      },
    };
    return [...cronJobKind.validate(object as CronJob, { subresource: '' })].map(({ field }) => field);
  };
  assert.deepEqual(fields({ timeZone: 'Europe/Berlin' }), []);
  assert.deepEqual(fields({ timeZone: 'Europe/Nowhere' }), ['spec.timeZone']);
  assert.deepEqual(fields({ schedule: 'TZ=UTC * * * * *' }), ['spec.schedule']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../src/api/meta.ts';
import { CronJob, Event, Job, Node, Pod } from '../../src/api/resources.gen.ts';
import type { Cluster } from './cluster.ts';
import { createCluster } from './cluster.ts';
import { jobOf } from './workloads.ts';

const namespace = 'default';
const at = { name: 'work', namespace };
const conditionOf = (job: Job, type: string) =>
  job.status?.conditions?.find((condition) => condition.type === type);
const ended = async (cluster: Cluster, type: 'Complete' | 'Failed') => {
  await cluster.until(async () => conditionOf(await cluster.client.get(Job, at), type)?.status === 'True');
  return await cluster.client.get(Job, at);
};

test('a Job counts what it did, says first that it will end and then that it has', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(Job, jobOf('work', 'sleep 1', { completions: 3, parallelism: 2 }));
  const { status } = await ended(cluster, 'Complete');
  assert.deepEqual(
    [status?.succeeded, status?.failed, status?.active, status?.ready],
    [3, undefined, undefined, 0],
  );
  assert.deepEqual(
    status?.conditions?.map(({ type, reason }) => [type, reason]),
    [
      ['SuccessCriteriaMet', 'CompletionsReached'],
      ['Complete', 'CompletionsReached'],
    ],
  );
  assert.ok(status?.startTime && status.completionTime);
  const pods = (await cluster.client.list(Pod, { namespace })).items;
  assert.ok(
    pods.every((pod) => !pod.metadata.finalizers?.length),
    'its pods are let go',
  );
});

test('an indexed Job does each index once, and numbers its pods', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(
    Job,
    jobOf('work', 'sleep 1', { completions: 4, parallelism: 2, completionMode: 'Indexed' }),
  );
  const { status } = await ended(cluster, 'Complete');
  assert.equal(status?.completedIndexes, '0-3');
  const pods = (await cluster.client.list(Pod, { namespace })).items;
  assert.deepEqual(pods.map((pod) => pod.spec?.hostname).sort(), ['work-0', 'work-1', 'work-2', 'work-3']);
  assert.match(pods[0]!.metadata.name, /^work-\d-\w{5}$/);
});

test('a Job that fails often enough fails, with waits that grow', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(Job, jobOf('work', 'exit 1', { backoffLimit: 2 }));
  const startMs = clock.now();
  const { status } = await ended(cluster, 'Failed');
  assert.deepEqual([status?.failed, status?.succeeded], [3, undefined]);
  assert.deepEqual(
    status?.conditions?.map(({ type, reason }) => [type, reason]),
    [
      ['FailureTarget', 'BackoffLimitExceeded'],
      ['Failed', 'BackoffLimitExceeded'],
    ],
  );
  const tookMs = clock.now() - startMs;
  assert.ok(tookMs >= 28_000 && tookMs < 45_000, `${tookMs} ms`);
});

test('a suspended Job stops its pods, forgets when it started, and goes on when resumed', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Job, jobOf('work', 'sleep 60'));
  await cluster.until(async () => (await client.get(Job, at)).status?.ready === 1);
  const suspend = (value: boolean) => client.patch(Job, at, { spec: { suspend: value } }, { type: 'merge' });
  await suspend(true);
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 0, 60_000);
  const stopped = await client.get(Job, at);
  assert.deepEqual(
    [conditionOf(stopped, 'Suspended')?.status, stopped.status?.startTime],
    ['True', undefined],
  );
  await suspend(false);
  await ended(cluster, 'Complete');
});

test('a finished Job goes when its time to live is over', async () => {
  await using cluster = await createCluster();
  await cluster.client.create(Job, jobOf('work', 'exit 0', { ttlSecondsAfterFinished: 30 }));
  await ended(cluster, 'Complete');
  await cluster.clock.advance(25_000);
  assert.equal((await cluster.client.list(Job, { namespace })).items.length, 1);
  await cluster.clock.advance(15_000);
  assert.equal((await cluster.client.list(Job, { namespace })).items.length, 0);
  assert.equal((await cluster.client.list(Pod, { namespace })).items.length, 0);
});

test('pods that a Job takes away itself are no failures of it', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const running = async (count: number) =>
    (await client.list(Pod, { namespace })).items.filter(({ status }) => status?.phase === 'Running')
      .length === count;
  await client.create(
    Job,
    jobOf('work', 'sleep 600', {
      parallelism: 3,
      completions: 6,
      backoffLimit: 0,
      completionMode: 'Indexed',
    }),
  );
  await cluster.until(() => running(3));
  const change = async (spec: object) => await client.patch(Job, at, { spec }, { type: 'merge' });
  await change({ parallelism: 1 });
  await cluster.until(() => running(1));
  await change({ suspend: true });
  await cluster.until(() => running(0));
  const resumedMs = cluster.clock.now();
  await change({ suspend: false, parallelism: 2 });
  await cluster.until(() => running(2));
  assert.ok(cluster.clock.now() - resumedMs < 5_000, 'it starts again at once');
  const { status } = await client.get(Job, at);
  assert.deepEqual([status?.active, status?.failed], [2, undefined]);
});

test('a pod that others delete is replaced after a wait, which grows when they do it again', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(Job, jobOf('work', 'sleep 600'));
  const running = async () => {
    const { items } = await client.list(Pod, { namespace });
    return items.find(({ metadata, status }) => status?.phase === 'Running' && !metadata.deletionTimestamp);
  };
  const waits: number[] = [];
  for (let round = 0; round < 2; round++) {
    await cluster.until(async () => (await running()) !== undefined);
    await client.delete(Pod, (await running())!.metadata);
    const deletedMs = clock.now();
    await cluster.until(async () => (await running()) !== undefined, 60_000);
    waits.push(Math.round((clock.now() - deletedMs) / 1000));
  }
  assert.ok(waits[0]! >= 9 && waits[0]! <= 12, `${waits}`);
  assert.ok(waits[1]! >= 19 && waits[1]! <= 22, `${waits}`);
  assert.equal((await client.get(Job, at)).status?.failed, 2);
});

test('a Job that another controller manages is left alone', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(Job, jobOf('work', 'exit 0', { managedBy: 'example.com/queue' }));
  await clock.advance(60_000);
  const { status } = await client.get(Job, at);
  assert.deepEqual(status ?? {}, {});
  assert.deepEqual((await client.list(Pod, { namespace })).items, []);
});

test('a Job that takes in more pods that succeeded than it needs says so', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  const job = jobOf('work', 'exit 0', { completions: 1, manualSelector: true });
  const { template } = job.spec!;
  await cluster.until(async () => (await client.list(Node)).items.every(({ spec }) => !spec?.taints?.length));
  for (const name of ['one', 'two'])
    await client.create(Pod, {
      metadata: { name, namespace, ...template.metadata, finalizers: ['batch.kubernetes.io/job-tracking'] },
      spec: template.spec,
    } as Draft<Pod>);
  await cluster.until(async () =>
    (await client.list(Pod, { namespace })).items.every(({ status }) => status?.phase === 'Succeeded'),
  );
  const selector = { matchLabels: template.metadata!.labels };
  await client.create(Job, { ...job, spec: { ...job.spec!, selector } });
  const { status } = await ended(cluster, 'Complete');
  assert.equal(status?.succeeded, 2);
  await cluster.clock.advance(1_000);
  const reasons = (await client.list(Event, { namespace })).items.map(({ reason }) => reason);
  assert.ok(reasons.includes('TooManySucceededPods'), String(reasons));
});

for (const [podReplacementPolicy, when, atOnce] of [
  ['TerminatingOrFailed', 'at once', 2],
  ['Failed', 'when it has ended', 1],
] as const)
  test(`a Job whose policy is ${podReplacementPolicy} replaces a pod on its way out ${when}`, async () => {
    await using cluster = await createCluster({ behaviour: () => ({ ignoresTerm: true }) });
    const { client, clock } = cluster;
    const draft = jobOf('work', 'sleep 3600', { podReplacementPolicy, backoffLimit: 9 });
    draft.spec!.template.spec!.terminationGracePeriodSeconds = 60;
    await client.create(Job, draft);
    const isReady = async () => (await client.get(Job, at)).status?.ready === 1;
    await cluster.until(isReady);
    const [pod] = (await client.list(Pod, { namespace })).items;
    await client.delete(Pod, pod!.metadata);
    await clock.advance(30_000);
    assert.equal((await client.list(Pod, { namespace })).items.length, atOnce);
    const { status } = await client.get(Job, at);
    assert.deepEqual([status?.active ?? 0, status?.terminating], [atOnce - 1, 1]);
    await clock.advance(40_000);
    await cluster.until(isReady);
    const { status: after } = await client.get(Job, at);
    assert.deepEqual([after?.active, after?.failed, after?.terminating], [1, 1, 0]);
  });

test('a deleted Job leaves no pod held by its finalizer', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(Job, jobOf('work', 'sleep 600', { parallelism: 2, completions: 2 }));
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 2);
  await client.delete(Job, at, { propagationPolicy: 'Background' });
  await cluster.until(async () => (await client.list(Pod, { namespace })).items.length === 0, 90_000);
});

function cronJob(spec: object, script = 'sleep 90'): Draft<CronJob> {
  const jobTemplate = { spec: jobOf('x', script).spec };
  return {
    metadata: { name: 'cron', namespace },
    spec: { schedule: '* * * * *', jobTemplate, ...spec },
  } as Draft<CronJob>;
}
const jobNames = async (cluster: Cluster) =>
  (await cluster.client.list(Job, { namespace })).items.map(({ metadata }) => metadata.name);

test('a CronJob makes a Job a minute, named after the minute, and keeps the last three', async () => {
  await using cluster = await createCluster();
  const { clock } = cluster;
  await cluster.client.create(CronJob, cronJob({}, 'sleep 1'));
  const firstMinute = Math.floor(clock.now() / 60_000) + 1;
  await clock.advance(5 * 60_000 + 30_000);
  assert.deepEqual(
    await jobNames(cluster),
    [2, 3, 4].map((index) => `cron-${firstMinute + index}`),
  );
  const { status } = await cluster.client.get(CronJob, { name: 'cron', namespace });
  assert.equal(
    status?.lastScheduleTime,
    `${new Date((firstMinute + 4) * 60_000).toISOString().slice(0, 19)}Z`,
  );
  assert.ok(status?.lastSuccessfulTime);
});

test('the concurrency policy of a CronJob decides when a Job still runs', async () => {
  for (const [concurrencyPolicy, running, reason] of [
    ['Allow', 2, undefined],
    ['Forbid', 1, 'JobAlreadyActive'],
    ['Replace', 1, 'SuccessfulDelete'],
  ] as const) {
    await using cluster = await createCluster();
    await cluster.client.create(CronJob, cronJob({ concurrencyPolicy }));
    await cluster.clock.advance(130_000);
    const active = (await cluster.client.get(CronJob, { name: 'cron', namespace })).status?.active?.length;
    assert.equal(active, running, concurrencyPolicy);
    const reasons = (await cluster.client.list(Event, { namespace })).items.map((event) => event.reason);
    if (reason) assert.ok(reasons.includes(reason), `${concurrencyPolicy}: ${reasons}`);
  }
});

test('a Job that was made for its time, and forgotten before it was written down, counts as running', async () => {
  for (const [concurrencyPolicy, isReplaced] of [
    ['Forbid', false],
    ['Replace', true],
  ] as const) {
    await using cluster = await createCluster();
    const { client, clock } = cluster;
    await client.create(CronJob, cronJob({ concurrencyPolicy }, 'sleep 900'));
    await clock.advance(70_000);
    await cluster.stopControllers();
    const [first] = (await client.list(Job, { namespace })).items;
    const at = { name: 'cron', namespace };
    const forgetful = { ...(await client.get(CronJob, at)), status: {} };
    await client.update(CronJob, forgetful, { subresource: 'status' });
    await clock.advance(60_000);
    cluster.startControllers();
    await clock.advance(10_000);
    const jobs = (await client.list(Job, { namespace })).items;
    const { status } = await client.get(CronJob, at);
    assert.deepEqual([jobs.length, jobs[0]!.metadata.uid !== first!.metadata.uid], [1, isReplaced]);
    assert.deepEqual(
      status?.active?.map(({ uid }) => uid),
      [jobs[0]!.metadata.uid],
    );
  }
});

test('a CronJob notes the time of its Job in its own time zone', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(CronJob, cronJob({ schedule: '*/10 * * * *', timeZone: 'Asia/Kolkata' }, 'sleep 1'));
  await clock.advance(10 * 60_000 + 5_000);
  const [job] = (await client.list(Job, { namespace })).items;
  const time = job?.metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'] ?? '';
  assert.match(time, /^2026-01-01T05:\d0:00\+05:30$/);
  assert.equal(job?.metadata.name, `cron-${Date.parse(time) / 60_000}`);
});

test('a CronJob for a day that never comes says so', async () => {
  await using cluster = await createCluster();
  const { client } = cluster;
  await client.create(CronJob, cronJob({ schedule: '0 0 30 2 *' }, 'sleep 1'));
  await cluster.until(async () => {
    const { items } = await client.list(Event, { namespace });
    return items.some(
      ({ reason, message }) =>
        reason === 'InvalidSchedule' &&
        message ===
          'invalid schedule: 0 0 30 2 * : time difference between two schedules is less than 1 second',
    );
  });
});

test('times that were missed while the controller was down are made up for once, or not at all after the deadline', async () => {
  for (const [startingDeadlineSeconds, expected] of [
    [undefined, 1],
    [10, 0],
  ] as const) {
    await using cluster = await createCluster();
    const { clock } = cluster;
    await cluster.client.create(
      CronJob,
      cronJob({ schedule: '*/10 * * * *', startingDeadlineSeconds }, 'sleep 1'),
    );
    await cluster.stopControllers();
    await clock.advance(65 * 60_000);
    cluster.startControllers();
    await clock.advance(30_000);
    assert.equal((await jobNames(cluster)).length, expected);
  }
});

test('periods of @every are counted from the last run, also when the controller was away in between', async () => {
  await using cluster = await createCluster();
  const { client, clock } = cluster;
  await client.create(CronJob, cronJob({ schedule: '@every 10m' }, 'sleep 1'));
  await clock.advance(13 * 60_000);
  assert.equal((await jobNames(cluster)).length, 1);
  await cluster.stopControllers();
  cluster.startControllers();
  await clock.advance(8 * 60_000);
  assert.equal((await jobNames(cluster)).length, 2);
});

test('a schedule that was changed holds from then on: what it would have called for before is not made up for', async () => {
  await using cluster = await createCluster({ nodes: 0, controllers: ['cronjob'] });
  const { client, clock } = cluster;
  await client.create(CronJob, cronJob({ schedule: '0 0 1 7 *' }, 'sleep 1'));
  await clock.advance(12 * 60_000);
  const at = { name: 'cron', namespace };
  await client.patch(CronJob, at, { spec: { schedule: '*/10 * * * *' } }, { type: 'merge' });
  await clock.advance(2 * 60_000);
  // Nor is it later, for another reason to look at the CronJob.
  await client.patch(CronJob, at, { spec: { successfulJobsHistoryLimit: 2 } }, { type: 'merge' });
  await clock.advance(2 * 60_000);
  assert.deepEqual(await jobNames(cluster), []);
  await clock.advance(5 * 60_000);
  assert.equal((await jobNames(cluster)).length, 1);
});

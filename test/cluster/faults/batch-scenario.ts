/** Jobs that are widened and narrowed, and CronJobs that forbid or replace what still runs. */
import { CronJob, Job } from '../../../src/api/resources.gen.ts';
import { cronJobOf, jobOf } from '../workloads.ts';
import { namespace, type Scenario } from './run-seed.ts';

export const batch: Scenario = {
  nodes: 1,
  controllers: ['job', 'cronjob'],
  pauseMs: 60_000,
  async begin({ client, checker }) {
    checker.expect('work', { most: 2, fewest: 0 });
    checker.expect('parts', { most: 3, fewest: 0 });
    await client.create(Job, jobOf('work', 'sleep 20; exit 0', { parallelism: 2, completions: 5 }));
    const indexed = { completionMode: 'Indexed', parallelism: 3, completions: 7 };
    await client.create(Job, jobOf('parts', 'sleep 20; exit 0', indexed));
    for (const concurrencyPolicy of ['Forbid', 'Replace'])
      await client.create(
        CronJob,
        cronJobOf(concurrencyPolicy.toLowerCase(), 'sleep 40; exit 0', { concurrencyPolicy }),
      );
  },
  changes: [
    ({ client, random }) => {
      const spec = { suspend: random.next() < 0.5 };
      return client.patch(CronJob, { name: 'forbid', namespace }, { spec }, { type: 'merge' });
    },
    ({ client, random }) => {
      const spec = { parallelism: 1 + Math.floor(random.next() * 3) };
      return client.patch(Job, { name: 'parts', namespace }, { spec }, { type: 'merge' });
    },
  ],
  async end({ client }) {
    const spec = { suspend: true };
    for (const name of ['forbid', 'replace'])
      await client.patch(CronJob, { name, namespace }, { spec }, { type: 'merge' });
  },
};

/** What is done to a cluster whose controllers have a bad connection and are restarted, run by run, each from a seed. */
import {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { faultyTransport } from './faults.ts';
import { InvariantChecker } from './invariants.ts';
import { findUnsettled } from './unsettled.ts';
import {
  cronJobOf,
  daemonSetOf,
  deploymentOf,
  jobOf,
  replicaSetOf,
  replicationControllerOf,
  statefulSetOf,
  withImage,
} from './workloads.ts';

const namespace = 'default';
/** Controllers that every run needs. */
const everywhere = ['garbagecollector', 'serviceaccount', 'rootca', 'nodeipam', 'nodelifecycle'];
const rounds = 6;
const restartChance = 0.4;
const settlesWithinMs = 240_000;
const checkEveryMs = 10_000;
const staysSettledMs = 30_000;

interface Run {
  client: Client;
  checker: InvariantChecker;
  random: Random;
}

export interface Scenario {
  nodes: number;
  controllers: readonly string[];
  /** Between two changes at most. */
  pauseMs: number;
  begin(run: Run): Promise<void>;
  /** What its user may do while the connection is bad. */
  changes: readonly ((run: Run) => Promise<unknown>)[];
  end?(run: Run): Promise<void>;
}

const oneMore = { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
const setImage =
  (type: typeof Deployment | typeof StatefulSet | typeof DaemonSet, name: string) => (run: Run) =>
    run.client.patch(
      type as typeof Deployment,
      { name, namespace },
      withImage(`web:${1 + Math.floor(run.random.next() * 4)}`),
      { type: 'strategic' },
    );

export const services: Scenario = {
  nodes: 2,
  controllers: ['deployment', 'replicaset', 'replicationcontroller', 'statefulset', 'daemonset'],
  pauseMs: 6_000,
  async begin({ client, checker }) {
    checker.expect('web', { most: 5, fewest: 4 });
    checker.expect('db', { most: 3, fewest: 2 });
    checker.expect('agent', { most: 2, fewest: 1, onePerNode: true });
    checker.expect('plain', { most: 3, fewest: 3 });
    checker.expect('old', { most: 4, fewest: 2 });
    const history = { revisionHistoryLimit: 1 };
    await client.create(Deployment, deploymentOf('web', 4, 'web:1', { ...oneMore, ...history }));
    await client.create(StatefulSet, statefulSetOf('db', 3, 'db:1', history));
    await client.create(DaemonSet, daemonSetOf('agent', 'agent:1', history));
    await client.create(ReplicaSet, replicaSetOf('plain', 3));
    await client.create(ReplicationController, replicationControllerOf('old', 3));
    await client.create(Deployment, deploymentOf('passing', 2, 'web:1', oneMore));
  },
  changes: [
    setImage(Deployment, 'web'),
    setImage(Deployment, 'web'),
    setImage(StatefulSet, 'db'),
    setImage(DaemonSet, 'agent'),
    ({ client, random }) => {
      const spec = { replicas: 2 + Math.floor(random.next() * 3) };
      return client.patch(ReplicationController, { name: 'old', namespace }, { spec }, { type: 'merge' });
    },
    async ({ client, random }) => {
      const propagationPolicy = random.next() < 0.5 ? 'Foreground' : 'Background';
      const passing = (await client.list(Deployment, { namespace })).items.find(
        ({ metadata }) => metadata.name === 'passing',
      );
      if (passing) await client.delete(Deployment, passing.metadata, { propagationPolicy });
    },
  ],
};

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

/** Gives what went wrong. */
export async function runSeed(scenario: Scenario, seed: number): Promise<string[]> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  let isBad = false;
  const stop = new AbortController();
  await using cluster = await createCluster({
    seed,
    clock,
    nodes: scenario.nodes,
    controllers: [...everywhere, ...scenario.controllers],
    wrapTransport: (transport) => faultyTransport(transport, { clock, random, isBad: () => isBad }),
  });
  const run: Run = { client: cluster.client, checker: new InvariantChecker(), random };
  await run.checker.follow(run.client, namespace, stop.signal);
  await scenario.begin(run);
  isBad = true;
  for (let round = 0; round < rounds; round++) {
    await clock.advance(random.next() * scenario.pauseMs);
    if (random.next() < restartChance) await restartControllers(cluster);
    else await scenario.changes[Math.floor(random.next() * scenario.changes.length)]!(run);
  }
  isBad = false;
  await scenario.end?.(run);
  const unsettled = await settle(run, clock);
  stop.abort(new Error('the run is over'));
  const { broken, history } = run.checker;
  return [...broken.slice(0, 1), ...(broken.length > 0 ? history : []), ...unsettled];
}

/** Waits until all is as asked, and then whether it stays so. */
async function settle({ client }: Run, clock: VirtualClock): Promise<string[]> {
  for (let waitedMs = 0; waitedMs < settlesWithinMs; waitedMs += checkEveryMs) {
    await clock.advance(checkEveryMs);
    if ((await findUnsettled(client, namespace)).length === 0) break;
  }
  await clock.advance(staysSettledMs);
  return await findUnsettled(client, namespace);
}

async function restartControllers(cluster: Cluster): Promise<void> {
  await cluster.stopControllers();
  await cluster.clock.advance(cluster.random.next() * 2_000);
  cluster.startControllers();
}

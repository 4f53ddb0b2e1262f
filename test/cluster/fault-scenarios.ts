/** What is done to a cluster whose controllers have a bad connection and are restarted, run by run, each from a seed. */
import type { Draft, KubeObject, ResourceType } from '../../src/api/meta.ts';
import {
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../src/api/resources.gen.ts';
import { StatusError } from '../../src/api/status.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { VirtualClock } from '../../src/base/virtual-clock.ts';
import type { Client } from '../../src/client/client.ts';
import { type Cluster, type ClusterNode, createCluster } from './cluster.ts';
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

export interface Run {
  clock: VirtualClock;
  client: Client;
  checker: InvariantChecker;
  random: Random;
  nodes: readonly ClusterNode[];
  /** Ends with the run. */
  signal: AbortSignal;
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
  /** What is not as it should be in the end, besides workloads. */
  problems?(run: Run): Promise<string[]>;
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

/** Workloads that are deleted, with or without what they own, and made again under their old names. */
const passing: readonly (readonly [ResourceType, Draft<KubeObject>])[] = [
  [Deployment, deploymentOf('passing', 2, 'web:1', oneMore)],
  [ReplicaSet, replicaSetOf('passing-plain', 2)],
  [ReplicationController, replicationControllerOf('passing-old', 2)],
  [StatefulSet, statefulSetOf('passing-db', 2)],
  [DaemonSet, daemonSetOf('passing-agent')],
];

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
    for (const [type, draft] of passing) await client.create(type, draft);
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
    comeOrGo,
    comeOrGo,
  ],
  /** What is there again takes in what its namesake left behind. */
  async end({ client, clock }) {
    const isGoing = async () =>
      (await Promise.all(passing.map(([type, draft]) => find(client, type, draft)))).some(
        (one) => one?.metadata.deletionTimestamp,
      );
    await clock.advanceUntil(async () => !(await isGoing()), settlesWithinMs);
    for (const [type, draft] of passing)
      if (!(await find(client, type, draft))) await client.create(type, draft);
  },
};

/** Deletes one of the passing workloads in some way, or makes it again under its old name. */
async function comeOrGo({ client, random }: Run): Promise<void> {
  const [type, draft] = pick(random, passing);
  const present = await find(client, type, draft);
  if (!present) await client.create(type, draft);
  else if (!present.metadata.deletionTimestamp) {
    const propagationPolicy = pick(random, ['Foreground', 'Background', 'Orphan'] as const);
    await client.delete(type, present.metadata, { propagationPolicy });
  }
}

async function find(client: Client, type: ResourceType, { metadata }: Draft<KubeObject>) {
  const { items } = await client.list(type, { namespace });
  return items.find((one) => one.metadata.name === metadata.name);
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random.next() * items.length)]!;
}

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

const guarded = { app: 'guarded' };

/** Evictions of pods that a budget guards, by a client whose own connection is good. */
export const evictions: Scenario = {
  nodes: 2,
  controllers: ['replicaset', 'statefulset', 'disruption', 'staledisruption'],
  pauseMs: 8_000,
  async begin({ client, clock, checker }) {
    checker.expect('guarded', { most: 5, fewest: 3 });
    await client.create(ReplicaSet, replicaSetOf('guarded', 4));
    await client.create(PodDisruptionBudget, {
      metadata: { name: 'guarded', namespace },
      spec: { minAvailable: 3, selector: { matchLabels: guarded } },
    } as Draft<PodDisruptionBudget>);
    await clock.advanceUntil(
      async () => (await findUnsettled(client, namespace)).length === 0,
      settlesWithinMs,
    );
  },
  changes: [evictSome, evictSome, evictSome, lowerTheBar],
};

/** Tries several at once: the budget lets no more of them go than it may. */
async function evictSome({ client, random }: Run): Promise<void> {
  const { items } = await client.list(Pod, { namespace, labelSelector: 'app=guarded' });
  const chosen = items.filter(() => random.next() < 0.6);
  await Promise.all(
    chosen.map(async ({ metadata: { name } }) => {
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
      await client
        .createSubresource(Pod, { name, namespace }, eviction, { subresource: 'eviction' })
        .catch((error: unknown) => {
          if (!(error instanceof StatusError && [404, 409, 429].includes(error.code))) throw error;
        });
    }),
  );
}

/** A changed budget counts again before it allows further disruptions. */
async function lowerTheBar({ client, random }: Run): Promise<void> {
  const maxUnavailable = random.next() < 0.5 ? 1 : '25%';
  const spec = { minAvailable: null, maxUnavailable };
  await client.patch(PodDisruptionBudget, { name: 'guarded', namespace }, { spec }, { type: 'merge' });
}

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
  const run: Run = {
    clock,
    client: cluster.client,
    checker: new InvariantChecker(),
    random,
    nodes: cluster.nodes,
    signal: stop.signal,
  };
  await run.checker.follow(run.client, namespace, stop.signal);
  await scenario.begin(run);
  isBad = true;
  for (let round = 0; round < rounds; round++) {
    await clock.advance(random.next() * scenario.pauseMs);
    if (random.next() < restartChance) await restartControllers(cluster);
    else await pick(random, scenario.changes)(run);
  }
  isBad = false;
  await scenario.end?.(run);
  const unsettled = await settle(run, scenario);
  stop.abort(new Error('the run is over'));
  const { broken, history } = run.checker;
  return [...broken.slice(0, 1), ...(broken.length > 0 ? history : []), ...unsettled];
}

/** Waits until all is as asked, and then whether it stays so. */
async function settle(run: Run, scenario: Scenario): Promise<string[]> {
  const { client, clock } = run;
  const found = async () => [
    ...(await findUnsettled(client, namespace)),
    ...((await scenario.problems?.(run)) ?? []),
  ];
  for (let waitedMs = 0; waitedMs < settlesWithinMs; waitedMs += checkEveryMs) {
    await clock.advance(checkEveryMs);
    if ((await found()).length === 0) break;
  }
  await clock.advance(staysSettledMs);
  return await found();
}

async function restartControllers(cluster: Cluster): Promise<void> {
  await cluster.stopControllers();
  await cluster.clock.advance(cluster.random.next() * 2_000);
  cluster.startControllers();
}

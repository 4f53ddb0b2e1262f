/** Workloads that serve: they are updated, and come and go under their old names. */
import type { Draft, KubeObject, ResourceType } from '../../../src/api/meta.ts';
import {
  DaemonSet,
  Deployment,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../src/api/resources.gen.ts';
import {
  daemonSetOf,
  deploymentOf,
  replicaSetOf,
  replicationControllerOf,
  statefulSetOf,
  withImage,
} from '../workloads.ts';
import { find, namespace, pick, type Run, type Scenario, settlesWithinMs } from './run-seed.ts';

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

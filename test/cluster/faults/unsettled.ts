/** What must be true of workloads in a settled cluster: counts right, no orphans, revisions in order and few. */
import { controllerOf, type KubeObject } from '../../../src/api/meta.ts';
import {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Deployment,
  Job,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../../../src/api/resources.gen.ts';
import type { Client } from '../../../src/client/client.ts';
import { isTracked } from '../../../src/controllers/batch/job/job-pod.ts';

const historyLimitUnlessTold = 10;

/** One line for everything that is not as it should be. */
export async function findUnsettled(client: Client, namespace: string): Promise<string[]> {
  const listed = await Promise.all([
    client.list(Deployment, { namespace }),
    client.list(ReplicaSet, { namespace }),
    client.list(ReplicationController, { namespace }),
    client.list(StatefulSet, { namespace }),
    client.list(DaemonSet, { namespace }),
    client.list(CronJob, { namespace }),
    client.list(Job, { namespace }),
    client.list(ControllerRevision, { namespace }),
    client.list(Pod, { namespace }),
    client.list(PodDisruptionBudget, { namespace }),
  ]);
  const [deployments, sets, controllers, statefulSets, daemonSets, cronJobs, jobs, revisions, pods, budgets] =
    listed;
  const all = listed.flatMap((list) => list.items as KubeObject[]);
  return [
    ...orphans(all),
    ...deployments.items.flatMap((one) => deploymentProblems(one, ownedBy(one, sets.items))),
    ...[...sets.items, ...controllers.items].flatMap((one) => replicaProblems(one, ownedBy(one, pods.items))),
    ...statefulSets.items.flatMap((one) => statefulSetProblems(one, ownedBy(one, revisions.items))),
    ...daemonSets.items.flatMap((one) => daemonSetProblems(one, ownedBy(one, revisions.items))),
    ...jobs.items.flatMap((one) => jobProblems(one, ownedBy(one, pods.items))),
    ...cronJobs.items.flatMap((one) => cronJobProblems(one, ownedBy(one, jobs.items))),
    ...budgets.items.flatMap(budgetProblems),
  ];
}

function ownedBy<T extends KubeObject>(owner: KubeObject, objects: readonly T[]): T[] {
  return objects.filter((one) => controllerOf(one)?.uid === owner.metadata.uid);
}

/** Objects that have outlived the owner that made them, or lost it. */
function orphans(all: readonly KubeObject[]): string[] {
  const uids = new Set(all.map((one) => one.metadata.uid));
  return all.flatMap((one) => {
    const owner = controllerOf(one);
    if (owner && !uids.has(owner.uid))
      return [`${one.metadata.name} has outlived ${owner.kind} ${owner.name}`];
    return !owner && one.metadata.generateName ? [`${one.metadata.name} has lost its owner`] : [];
  });
}

/** `numbers` that are not what they should be, as one problem. */
function unequal(
  one: KubeObject & { status?: unknown },
  numbers: Record<string, [unknown, unknown]>,
): string[] {
  const wrong = Object.entries(numbers).filter(([, [is, should]]) => is !== should);
  const text = wrong.map(([name, [is, should]]) => `${name} is ${is} and should be ${should}`).join(', ');
  return wrong.length === 0 ? [] : [`${one.metadata.name}: ${text}: ${JSON.stringify(one.status)}`];
}

/** A status that is older than what is asked for may show numbers that were right before. */
function observed({
  metadata,
  status,
}: KubeObject & { status?: { observedGeneration?: number } }): Record<string, [unknown, unknown]> {
  return { observedGeneration: [status?.observedGeneration, metadata.generation] };
}

function deploymentProblems(deployment: Deployment, sets: readonly ReplicaSet[]): string[] {
  const revisions = sets.map((rs) => Number(rs.metadata.annotations?.['deployment.kubernetes.io/revision']));
  const wanted = deployment.spec?.replicas;
  const alive = sets.filter((rs) => (rs.spec?.replicas ?? 0) > 0);
  const { replicas, updatedReplicas, availableReplicas } = deployment.status ?? {};
  return [
    ...revisionProblems(deployment, revisions, alive.length, deployment.spec?.revisionHistoryLimit),
    ...unequal(deployment, {
      ...observed(deployment),
      replicas: [replicas, wanted],
      updatedReplicas: [updatedReplicas, wanted],
      availableReplicas: [availableReplicas, wanted],
      'sets with pods': [alive.length, 1],
      'the revision that is shown': [
        Number(deployment.metadata.annotations?.['deployment.kubernetes.io/revision']),
        Math.max(...revisions),
      ],
    }),
  ];
}

/** `alive`: the number of revisions that are in use and do not count as history. */
function revisionProblems(
  owner: KubeObject,
  revisions: readonly number[],
  alive: number,
  limit = historyLimitUnlessTold,
): string[] {
  const { name } = owner.metadata;
  return [
    ...(new Set(revisions).size < revisions.length ? [`${name}: revisions come twice: ${revisions}`] : []),
    ...(revisions.length - alive > limit ? [`${name}: more history than ${limit}: ${revisions}`] : []),
  ];
}

function stays({ metadata, status }: Pod): boolean {
  return !metadata.deletionTimestamp && status?.phase !== 'Failed' && status?.phase !== 'Succeeded';
}

/** Its status may not know yet of a pod that is gone. */
function replicaProblems(set: ReplicaSet | ReplicationController, pods: readonly Pod[]): string[] {
  const wanted = set.spec?.replicas;
  const { replicas, readyReplicas, availableReplicas } = set.status ?? {};
  return unequal(set, {
    ...observed(set),
    replicas: [replicas, wanted],
    readyReplicas: [readyReplicas ?? 0, wanted],
    availableReplicas: [availableReplicas ?? 0, wanted],
    'pods that stay': [pods.filter(stays).length, wanted],
  });
}

function statefulSetProblems(set: StatefulSet, revisions: readonly ControllerRevision[]): string[] {
  const wanted = set.spec?.replicas;
  const { replicas, readyReplicas, updatedReplicas, currentRevision, updateRevision } = set.status ?? {};
  const newest = newestOf(revisions);
  return [
    ...revisionProblems(
      set,
      revisions.map((one) => one.revision),
      1,
      set.spec?.revisionHistoryLimit,
    ),
    ...unequal(set, {
      ...observed(set),
      replicas: [replicas, wanted],
      readyReplicas: [readyReplicas ?? 0, wanted],
      updatedReplicas: [updatedReplicas ?? 0, wanted],
      currentRevision: [currentRevision, updateRevision],
      updateRevision: [updateRevision, newest?.metadata.name],
    }),
  ];
}

function newestOf(revisions: readonly ControllerRevision[]): ControllerRevision | undefined {
  return [...revisions].sort((a, b) => b.revision - a.revision)[0];
}

function daemonSetProblems(set: DaemonSet, revisions: readonly ControllerRevision[]): string[] {
  const { desiredNumberScheduled, currentNumberScheduled, numberAvailable, updatedNumberScheduled } =
    set.status ?? {};
  return [
    ...revisionProblems(
      set,
      revisions.map((one) => one.revision),
      1,
      set.spec?.revisionHistoryLimit,
    ),
    ...unequal(set, {
      ...observed(set),
      currentNumberScheduled: [currentNumberScheduled, desiredNumberScheduled],
      numberAvailable: [numberAvailable, desiredNumberScheduled],
      updatedNumberScheduled: [updatedNumberScheduled, desiredNumberScheduled],
      numberMisscheduled: [set.status?.numberMisscheduled, 0],
    }),
  ];
}

/** What it says it has done, its pods show; and it holds on to none of them. */
function jobProblems(job: Job, pods: readonly Pod[]): string[] {
  const { succeeded, failed, active, completedIndexes, uncountedTerminatedPods } = job.status ?? {};
  const { completions = 1, completionMode } = job.spec ?? {};
  const done = pods.filter((pod) => pod.status?.phase === 'Succeeded');
  const everyIndex = completions === 1 ? '0' : `0-${completions - 1}`;
  return unequal(job, {
    succeeded: [succeeded, completions],
    // One that a lower parallelism lets go of may succeed before it is deleted: its index is then done again.
    'pods that succeeded': [
      job.metadata.generation === 1 ? done.length : Math.min(done.length, completions),
      completions,
    ],
    failed: [failed ?? 0, pods.length - done.length],
    active: [active ?? 0, 0],
    uncounted: [Object.values(uncountedTerminatedPods ?? {}).flat().length, 0],
    'pods it holds': [pods.filter(isTracked).length, 0],
    completedIndexes: [completedIndexes, completionMode === 'Indexed' ? everyIndex : undefined],
  });
}

function cronJobProblems(cronJob: CronJob, jobs: readonly Job[]): string[] {
  const limit = cronJob.spec?.successfulJobsHistoryLimit ?? 3;
  const over = jobs.length > limit ? [`${cronJob.metadata.name}: more than ${limit} jobs are left`] : [];
  return [...over, ...unequal(cronJob, { active: [cronJob.status?.active?.length ?? 0, 0] })];
}

/** A pod that was to be evicted, and is there still, is forgotten after two minutes. */
function budgetProblems(budget: PodDisruptionBudget): string[] {
  const disrupted = Object.keys(budget.status?.disruptedPods ?? {}).length;
  return unequal(budget, { ...observed(budget), disruptedPods: [disrupted, 0] });
}

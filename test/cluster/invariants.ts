/** Promises that hold in every state of a cluster, whatever happens to its controllers. Checked at every event. */
import { controllerOf } from '../../src/api/meta.ts';
import { DaemonSet, Deployment, Pod, ReplicaSet, StatefulSet } from '../../src/api/resources.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { isPodActive, isPodReady } from '../../src/controllers/pod-state.ts';

export interface Bounds {
  /** Most pods at a time that are not on their way out. */
  most: number;
  /** Fewest ready pods, once that many have been. */
  fewest: number;
}

const historyMax = 60;

/** Follows the pods of workloads and notes every state that is out of bounds. */
export class InvariantChecker {
  readonly broken: string[] = [];
  /** What led to the first broken promise. */
  readonly history: string[] = [];
  readonly #bounds = new Map<string, Bounds>();
  readonly #reached = new Set<string>();
  readonly #pods = new Map<string, Pod>();
  readonly #owners = new Map<string, string>();

  /** `workload`: the value of the pods' label `app`. */
  expect(workload: string, bounds: Bounds): void {
    this.#bounds.set(workload, bounds);
    this.#reached.delete(workload);
  }

  async follow(client: Client, namespace: string, signal: AbortSignal): Promise<void> {
    const list = await client.list(Pod, { namespace });
    const watch = client.watch(Pod, { namespace, resourceVersion: list.metadata.resourceVersion }, signal);
    void (async () => {
      for await (const { type, object } of watch) {
        if (type === 'BOOKMARK') continue;
        this.#note(type, object as Pod);
        if (type === 'DELETED') this.#pods.delete(object.metadata.uid);
        else this.#pods.set(object.metadata.uid, object as Pod);
        this.#check(object as Pod);
      }
    })();
  }

  #note(type: string, { metadata, status }: Pod): void {
    if (this.broken.length > 0) return;
    const state = metadata.deletionTimestamp ? 'leaving' : status?.phase;
    this.history.push(`${metadata.resourceVersion} ${type} ${metadata.name} ${state}`);
    if (this.history.length > historyMax) this.history.shift();
  }

  #check(changed: Pod): void {
    const app = changed.metadata.labels?.app ?? '';
    const bounds = this.#bounds.get(app);
    if (!bounds) return;
    const pods = [...this.#pods.values()].filter(
      (pod) => pod.metadata.labels?.app === app && isPodActive(pod),
    );
    const ready = pods.filter(isPodReady).length;
    if (pods.length > bounds.most)
      this.broken.push(
        `${app}: ${pods.length} pods, at most ${bounds.most} are allowed: ${pods.map((pod) => pod.metadata.name)}`,
      );
    if (ready >= bounds.fewest) this.#reached.add(app);
    else if (this.#reached.has(app))
      this.broken.push(`${app}: ${ready} pods are ready, ${bounds.fewest} are promised`);
    const owner = controllerOf(changed)?.uid;
    const before = this.#owners.get(changed.metadata.uid);
    if (before && owner && before !== owner) this.broken.push(`${changed.metadata.name} changed hands`);
    if (owner) this.#owners.set(changed.metadata.uid, owner);
  }
}

/** What must be true when all is quiet: no pod without a living owner, every number right, revisions in order. */
export async function findUnsettled(client: Client, namespace: string): Promise<string[]> {
  const problems: string[] = [];
  const [pods, sets, deployments, statefulSets, daemonSets] = await Promise.all([
    client.list(Pod, { namespace }),
    client.list(ReplicaSet, { namespace }),
    client.list(Deployment, { namespace }),
    client.list(StatefulSet, { namespace }),
    client.list(DaemonSet, { namespace }),
  ]);
  const owners = new Map(
    [...sets.items, ...statefulSets.items, ...daemonSets.items].map((one) => [one.metadata.uid, one]),
  );
  for (const pod of pods.items) {
    const owner = controllerOf(pod);
    const isOrphan =
      owner && ['ReplicaSet', 'StatefulSet', 'DaemonSet'].includes(owner.kind) && !owners.has(owner.uid);
    if (isOrphan) problems.push(`pod ${pod.metadata.name} has outlived its owner`);
  }
  for (const deployment of deployments.items) {
    const own = sets.items.filter((rs) => controllerOf(rs)?.uid === deployment.metadata.uid);
    const revisions = own.map((rs) => Number(rs.metadata.annotations?.['deployment.kubernetes.io/revision']));
    if (new Set(revisions).size !== revisions.length) problems.push(`revisions come twice: ${revisions}`);
    const newest = own.find((rs) => (rs.spec?.replicas ?? 0) > 0);
    const shown = deployment.metadata.annotations?.['deployment.kubernetes.io/revision'];
    if (newest && Math.max(...revisions) !== Number(shown))
      problems.push(`revision ${shown} of ${revisions} is shown`);
    const { replicas, updatedReplicas, availableReplicas } = deployment.status ?? {};
    const wanted = deployment.spec?.replicas;
    if (replicas !== wanted || updatedReplicas !== wanted || availableReplicas !== wanted)
      problems.push(`${deployment.metadata.name}: ${JSON.stringify(deployment.status)}`);
  }
  for (const set of statefulSets.items) {
    const { readyReplicas, updatedReplicas, currentRevision, updateRevision } = set.status ?? {};
    const wanted = set.spec?.replicas;
    if (readyReplicas !== wanted || updatedReplicas !== wanted || currentRevision !== updateRevision)
      problems.push(`${set.metadata.name}: ${JSON.stringify(set.status)}`);
  }
  for (const set of daemonSets.items) {
    const { desiredNumberScheduled, numberAvailable, updatedNumberScheduled, numberMisscheduled } =
      set.status ?? {};
    const isRight = numberAvailable === desiredNumberScheduled && updatedNumberScheduled === numberAvailable;
    if (!isRight || numberMisscheduled !== 0)
      problems.push(`${set.metadata.name}: ${JSON.stringify(set.status)}`);
  }
  for (const set of sets.items) {
    if (controllerOf(set)) continue;
    const { replicas, availableReplicas } = set.status ?? {};
    if (replicas !== set.spec?.replicas || availableReplicas !== replicas)
      problems.push(`${set.metadata.name}: ${JSON.stringify(set.status)}`);
  }
  return problems;
}

/** Promises that hold in every state of a cluster, whatever happens to its controllers. Checked at every event. */
import { controllerOf, type KubeObject } from '../../../src/api/meta.ts';
import { Job, Pod } from '../../../src/api/resources.gen.ts';
import type { Client } from '../../../src/client/client.ts';
import { isFinished } from '../../../src/controllers/batch/job/job-plan.ts';
import { isPodActive, isPodReady } from '../../../src/controllers/pods/pod-state.ts';

export interface Bounds {
  /** Most pods at a time that are not on their way out. */
  most: number;
  /** Fewest ready pods, once that many have been. */
  fewest: number;
  /** No node has two of them. */
  onePerNode?: boolean;
}

const historyMax = 60;

/** Follows the pods of workloads, and the jobs, and notes every state that is out of bounds. */
export class InvariantChecker {
  readonly broken: string[] = [];
  /** What led to the first broken promise. */
  readonly history: string[] = [];
  readonly #bounds = new Map<string, Bounds>();
  readonly #reached = new Set<string>();
  readonly #pods = new Map<string, Pod>();
  readonly #owners = new Map<string, string>();
  readonly #jobs = new Map<string, Job>();
  /** The job of each time of a schedule, by the schedule's owner and the time. */
  readonly #jobOfTime = new Map<string, string>();

  /** `workload`: the value of the pods' label `app`. */
  expect(workload: string, bounds: Bounds): void {
    this.#bounds.set(workload, bounds);
    this.#reached.delete(workload);
  }

  async follow(client: Client, namespace: string, signal: AbortSignal): Promise<void> {
    const pods = await client.list(Pod, { namespace });
    const { resourceVersion } = pods.metadata;
    const podEvents = client.watch(Pod, { namespace, resourceVersion }, signal);
    const jobEvents = client.watch(Job, { namespace, resourceVersion }, signal);
    void (async () => {
      for await (const { type, object } of podEvents) {
        if (type === 'BOOKMARK') continue;
        this.#note(type, object as Pod, (object as Pod).status?.phase);
        if (type === 'DELETED') this.#pods.delete(object.metadata.uid);
        else this.#pods.set(object.metadata.uid, object as Pod);
        this.#checkPods(object as Pod);
      }
    })();
    void (async () => {
      for await (const { type, object } of jobEvents) {
        if (type === 'BOOKMARK') continue;
        const job = object as Job;
        this.#note(type, job, isFinished(job) ? 'finished' : 'running');
        const before = this.#jobs.get(job.metadata.uid);
        if (type === 'DELETED') this.#jobs.delete(job.metadata.uid);
        else this.#jobs.set(job.metadata.uid, job);
        this.#checkJobs(job, before);
      }
    })();
  }

  #note(type: string, { metadata }: KubeObject, state: string | undefined): void {
    if (this.broken.length > 0) return;
    const shown = metadata.deletionTimestamp ? 'leaving' : state;
    this.history.push(`${metadata.resourceVersion} ${type} ${metadata.name} ${shown}`);
    if (this.history.length > historyMax) this.history.shift();
  }

  #checkPods(changed: Pod): void {
    this.#checkOwner(changed);
    const app = changed.metadata.labels?.app ?? '';
    const bounds = this.#bounds.get(app);
    if (!bounds) return;
    const pods = [...this.#pods.values()].filter(
      (pod) => pod.metadata.labels?.app === app && isPodActive(pod),
    );
    const names = pods.map((pod) => pod.metadata.name);
    const ready = pods.filter(isPodReady).length;
    if (pods.length > bounds.most)
      this.broken.push(`${app}: ${pods.length} pods, at most ${bounds.most} are allowed: ${names}`);
    if (ready >= bounds.fewest) this.#reached.add(app);
    else if (this.#reached.has(app))
      this.broken.push(`${app}: ${ready} pods are ready, ${bounds.fewest} are promised`);
    const places = pods.map((pod) => pod.spec?.nodeName).filter((node) => node !== undefined);
    if (bounds.onePerNode && new Set(places).size < places.length)
      this.broken.push(`${app}: two pods are on one node: ${places}`);
  }

  #checkOwner(pod: Pod): void {
    const { name, uid } = pod.metadata;
    const owner = controllerOf(pod)?.uid;
    const before = this.#owners.get(uid);
    if (before && owner && before !== owner) this.broken.push(`${name} changed hands`);
    // One that was let go of may find another.
    if (owner) this.#owners.set(uid, owner);
    else this.#owners.delete(uid);
  }

  #checkJobs(changed: Job, before: Job | undefined): void {
    const { metadata, status } = changed;
    for (const count of ['succeeded', 'failed'] as const)
      if ((status?.[count] ?? 0) < (before?.status?.[count] ?? 0))
        this.broken.push(`${metadata.name}: ${count} fell to ${status?.[count]}`);
    if (before && isFinished(before) && !isFinished(changed))
      this.broken.push(`${metadata.name} goes on after its end`);
    const owner = controllerOf(changed);
    if (!owner) return;
    const running = [...this.#jobs.values()].filter(
      (job) => controllerOf(job)?.uid === owner.uid && !isFinished(job) && !job.metadata.deletionTimestamp,
    );
    const names = running.map((job) => job.metadata.name);
    if (running.length > 1) this.broken.push(`${owner.name}: its jobs overlap: ${names}`);
    const time = metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'];
    const key = `${owner.uid} ${time}`;
    const first = this.#jobOfTime.get(key) ?? metadata.uid;
    this.#jobOfTime.set(key, first);
    if (first !== metadata.uid) this.broken.push(`${owner.name}: two jobs for ${time}`);
  }
}

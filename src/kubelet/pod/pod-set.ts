/** All pods of the node: passes changes of their objects to their workers, and has what belongs to no pod cleaned up. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { WaitingResize } from '../resources/resize.ts';
import { asSeen } from './as-seen.ts';
import { clearOrphans } from './orphans.ts';
import { PodOwners } from './pod-owners.ts';
import { PodWorker } from './pod-worker.ts';
import { RuntimeFollower } from './runtime-follower.ts';

export class PodSet {
  readonly #context: KubeletContext;
  readonly #workers = new Map<string, PodWorker>();
  readonly #owners = new PodOwners();
  readonly #runtime: RuntimeFollower;
  /** Uids of pods that are finished here, while older events about them may still arrive. */
  readonly #gone = new Set<string>();
  /** Uids of pods that an earlier agent had begun to run, until all pods of this node are known. */
  readonly #begun = new Set<string>();
  readonly #forgotten = new Set<(worker: PodWorker) => void>();
  #informer: Informer<Pod> | undefined;

  constructor(context: KubeletContext) {
    this.#context = context;
    this.#runtime = new RuntimeFollower({
      context,
      owners: this.#owners,
      find: (uid) => this.#workers.get(uid),
      listed: () => this.#tryClearOrphans(),
    });
  }

  find(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** By `namespace/name`; if there are two, the one that is not terminating. */
  findByName(namespace: string, name: string): PodWorker | undefined {
    let found: PodWorker | undefined;
    for (const worker of this.#workers.values()) {
      const { metadata } = worker.pod;
      if (metadata.name !== name || metadata.namespace !== namespace) continue;
      if (!found || found.isTerminating) found = worker;
    }
    return found;
  }

  workers(): Iterable<PodWorker> {
    return this.#workers.values();
  }

  /** All except the given one. */
  admitted(except?: string): Pod[] {
    const pods: Pod[] = [];
    for (const worker of this.#workers.values())
      if (worker.uid !== except && worker.isAdmitted) pods.push(worker.grantedPod);
    return pods;
  }

  /** Pods whose resize was deferred. */
  *waitingResizes(): Iterable<WaitingResize> {
    for (const worker of this.#workers.values())
      if (worker.isAdmitted && worker.waitsForResources)
        yield { pod: worker.pod, granted: worker.grantedPod, ...this.waitsSince(worker.uid) };
  }

  waitsSince(uid: string): { sinceMs?: number } {
    const status = this.#context.statuses.statusOf(uid);
    const condition = status?.conditions?.find(({ type }) => type === 'PodResizePending');
    return condition?.lastTransitionTime ? { sinceMs: Date.parse(condition.lastTransitionTime) } : {};
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  /** There may be room for a deferred resize. */
  wakeWaiting(): void {
    for (const worker of this.#workers.values()) if (worker.waitsForResources) worker.wake();
  }

  /** Pods with their own network, and the addresses, which the API learns later. */
  *addressed(): Iterable<{ pod: Pod; ips: readonly string[] }> {
    for (const { pod, observed } of this.#workers.values()) {
      const ips = observed.sandboxes.find(({ ready }) => ready)?.ips ?? [];
      if (ips.length > 0) yield { pod, ips };
    }
  }

  /** Of what the node reports of its pods that are not over. */
  countConditions(matches: (condition: core.PodCondition) => boolean): number {
    let count = 0;
    for (const { uid, isDone } of this.#workers.values())
      if (!isDone) count += this.#context.statuses.statusOf(uid)?.conditions?.filter(matches).length ?? 0;
    return count;
  }

  runningPods(): number {
    return [...this.#workers.values()].filter(({ observed }) => observed.sandboxes[0]?.ready).length;
  }

  containersByState(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { observed } of this.#workers.values())
      for (const { state } of observed.containers) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
  }

  track(id: string, podUid: string): void {
    this.#owners.set(id, podUid);
  }

  /** Lists what the runtime has, and follows it from then on. */
  async start(): Promise<void> {
    for (const uid of await this.#runtime.learnOwners()) this.#begun.add(uid);
    void this.#runtime.run();
  }

  /** `informer`: synced, so all pods of this node are known: anything else is cleaned up. */
  follow(informer: Informer<Pod>): void {
    this.#informer = informer;
    informer.handle({
      added: (pod) => this.update(pod),
      updated: (pod) => this.update(pod),
      deleted: (pod) => {
        this.#gone.delete(pod.metadata.uid);
        this.#workers.get(pod.metadata.uid)?.remove(pod);
      },
    });
    this.#begun.clear();
    this.#clearOrphans().catch((error: unknown) => {
      // The next listing tries again.
      if (!this.#context.signal.aborted) this.#context.logger.warn('orphans could not be cleared', { error });
    });
  }

  update(given: Pod, { isStatic = false }: { isStatic?: boolean } = {}): void {
    const { uid } = given.metadata;
    const worker = this.#workers.get(uid);
    if (worker) {
      worker.update(isStatic ? given : asSeen(given, worker.seenAtMs));
      return;
    }
    if (this.#gone.has(uid)) return;
    const mirrorOf = given.metadata.annotations?.[mirrorPodAnnotation];
    if (mirrorOf && !isStatic) {
      // Mirror pods represent static ones, which have their own workers.
      this.#workers.get(mirrorOf)?.setMirror(given);
      return;
    }
    const seenAtMs = this.#context.clock.now();
    const pod = isStatic ? given : asSeen(given, seenAtMs);
    this.#workers.set(
      uid,
      new PodWorker({
        context: this.#context,
        pod,
        seenAtMs,
        isStatic,
        wasTakenIn: this.#begun.has(uid),
        finished: (done) => this.#forget(done),
      }),
    );
    this.#workers.get(uid)!.wake();
  }

  /** `listener` is called when nothing is left of a pod; returns how to listen no longer. */
  onForgotten(listener: (worker: PodWorker) => void): () => void {
    this.#forgotten.add(listener);
    return () => void this.#forgotten.delete(listener);
  }

  close(): void {
    this.#workers.clear();
  }

  #forget(worker: PodWorker): void {
    if (this.#workers.get(worker.uid) === worker) this.#workers.delete(worker.uid);
    const { namespace, name } = worker.pod.metadata;
    if (this.#informer?.get(`${namespace}/${name}`)?.metadata.uid === worker.uid) this.#gone.add(worker.uid);
    for (const { id } of [...worker.observed.sandboxes, ...worker.observed.containers])
      this.#owners.delete(id);
    for (const listener of this.#forgotten) listener(worker);
  }

  /** Cleans up now what pods have left behind, as soon as it is known which pods are wanted. */
  tidy(): void {
    void this.#tryClearOrphans();
  }

  async #tryClearOrphans(): Promise<void> {
    if (!this.#informer) return;
    try {
      await this.#clearOrphans();
    } catch (error) {
      this.#context.logger.debug('orphans could not be cleared', { error });
    }
  }

  #clearOrphans(): Promise<void> {
    return clearOrphans(this.#context, (uid) => this.#workers.has(uid));
  }

  /** Pods from the informer; for the server's /pods. */
  apiPods(): Pod[] {
    return [...(this.#informer?.list() ?? [])];
  }
}

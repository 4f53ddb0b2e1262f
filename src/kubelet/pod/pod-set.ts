/**
 * All pods of the node: passes events of the API and the runtime to their workers, and cleans up what belongs to no
 * pod.
 */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { mirrorPodAnnotation } from '../../api/well-known.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { pause } from '../../base/clock.ts';
import type { Informer } from '../../client/informers/informer.ts';
import type { KubeletContext } from '../context.ts';
import type { RuntimeEvent } from '../cri/runtime.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import type { WaitingResize } from '../resize.ts';
import { labels } from './pod-observation.ts';
import { PodOwners } from './pod-owners.ts';
import { PodWorker } from './pod-worker.ts';

/** How often everything is listed despite the event stream, since events may be missed. */
const relistMs = 60_000;
/** Without events. */
const blindRelistMs = 1_000;
const followRetry = { firstMs: 50, maxMs: 2_000 };

export class PodSet {
  readonly #context: KubeletContext;
  readonly #workers = new Map<string, PodWorker>();
  readonly #owners = new PodOwners();
  /** Uids of pods that are finished here, while older events about them may still arrive. */
  readonly #gone = new Set<string>();
  /** Uids of pods that an earlier agent had begun to run, until all pods of this node are known. */
  readonly #begun = new Set<string>();
  /** States at the last listing, by id. */
  #listed = new Map<string, string>();
  #informer: Informer<Pod> | undefined;
  #relistedMs: number | undefined;

  constructor(context: KubeletContext) {
    this.#context = context;
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
    await this.#learnOwners();
    void this.#followRuntime();
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

  update(pod: Pod, { isStatic = false }: { isStatic?: boolean } = {}): void {
    const { uid } = pod.metadata;
    const worker = this.#workers.get(uid);
    if (worker) {
      worker.update(pod);
      return;
    }
    if (this.#gone.has(uid)) return;
    const mirrorOf = pod.metadata.annotations?.[mirrorPodAnnotation];
    if (mirrorOf && !isStatic) {
      // Mirror pods represent static ones, which have their own workers.
      this.#workers.get(mirrorOf)?.setMirror(pod);
      return;
    }
    this.#workers.set(
      uid,
      new PodWorker({
        context: this.#context,
        pod,
        isStatic,
        wasTakenIn: this.#begun.has(uid),
        finished: (done) => this.#forget(done),
      }),
    );
    this.#workers.get(uid)!.wake();
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
  }

  async #followRuntime(): Promise<void> {
    const { runtime, signal, clock, logger } = this.#context;
    let canStream = true;
    for (let attempt = 0; !signal.aborted; ) {
      if (!canStream) {
        await pause(clock, blindRelistMs, signal);
        await this.#tryRelist();
        continue;
      }
      const stop = new AbortController();
      const following = AbortSignal.any([stop.signal, signal]);
      try {
        const relisting = this.#relistFromTimeToTime(following);
        const ready = () => {
          attempt = 0;
          void this.#tryRelist();
        };
        for await (const event of runtime.events(following, ready)) this.#take(event);
        stop.abort();
        await relisting;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RuntimeError && error.code === 'Unimplemented') canStream = false;
        else {
          logger.info('the runtime went away', { error });
          await pause(clock, backoffDelayMs(followRetry, Math.min(attempt++, 8)), signal);
        }
      } finally {
        stop.abort();
      }
    }
  }

  async #relistFromTimeToTime(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    while (!signal.aborted) {
      await pause(clock, relistMs, signal);
      if (signal.aborted) return;
      await this.#tryRelist();
      if (this.#informer) await this.#tryClearOrphans();
    }
  }

  #take(event: RuntimeEvent): void {
    const uid = this.#owners.podOf(event.id);
    if (uid === undefined) return;
    // A start is our own doing; the worker looks by itself.
    if (event.type === 'exited') this.#workers.get(uid)?.runtimeChanged(event.id);
  }

  /** A failure is retried at the next listing. */
  async #tryRelist(): Promise<void> {
    try {
      await this.#relist();
    } catch (error) {
      this.#context.logger.debug('the runtime could not be listed', { error });
    }
  }

  /** Finds what changed without an event. */
  async #relist(): Promise<void> {
    const { runtime, clock, timings } = this.#context;
    const startMs = clock.monotonic();
    const lastMs = this.#relistedMs;
    this.#relistedMs = startMs;
    const forgetGone = this.#owners.beforeListing();
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()]);
    const now = new Map<string, string>();
    for (const { id, state, labels: own } of [...sandboxes, ...containers]) {
      const uid = own[labels.podUid];
      if (!uid) continue;
      now.set(id, state);
      this.#owners.set(id, uid);
      if (this.#listed.get(id) !== state && this.#knownState(uid, id) !== isUp(state))
        this.#workers.get(uid)?.runtimeChanged();
    }
    for (const id of this.#listed.keys()) {
      if (now.has(id)) continue;
      const uid = this.#owners.podOf(id);
      if (uid) this.#workers.get(uid)?.runtimeChanged();
    }
    forgetGone((id) => now.has(id));
    this.#listed = now;
    const seconds = (ms: number) => ms / 1000;
    timings.relist({
      seconds: seconds(clock.monotonic() - startMs),
      sinceLastSeconds: lastMs === undefined ? undefined : seconds(startMs - lastMs),
      nowMs: clock.now(),
    });
  }

  #knownState(uid: string, id: string): boolean | undefined {
    const observed = this.#workers.get(uid)?.observed;
    const container = observed?.containers.find((candidate) => candidate.id === id);
    if (container) return container.state === 'running';
    return observed?.sandboxes.find((candidate) => candidate.id === id)?.ready;
  }

  async #learnOwners(): Promise<void> {
    const { runtime } = this.#context;
    const [sandboxes, containers] = await Promise.all([runtime.listPodSandboxes(), runtime.listContainers()]);
    for (const { id, labels: own } of [...sandboxes, ...containers])
      if (own[labels.podUid]) this.#owners.set(id, own[labels.podUid]!);
    for (const { labels: own } of sandboxes) if (own[labels.podUid]) this.#begun.add(own[labels.podUid]!);
  }

  /** Cleans up now what pods have left behind, as soon as it is known which pods are wanted. */
  tidy(): void {
    if (!this.#informer) return;
    void this.#tryClearOrphans();
  }

  async #tryClearOrphans(): Promise<void> {
    try {
      await this.#clearOrphans();
    } catch (error) {
      this.#context.logger.debug('orphans could not be cleared', { error });
    }
  }

  /** Kills what runs for pods that do not belong here, and removes their devices, files, volumes and groups. */
  async #clearOrphans(): Promise<void> {
    const { runtime, machine, volumes, claims, userNamespaces, logger, timings } = this.#context;
    const isWanted = (uid: string) => this.#workers.has(uid);
    const sandboxes = (await runtime.listPodSandboxes()).filter(({ labels: own }) => {
      const uid = own[labels.podUid];
      return uid !== undefined && !isWanted(uid);
    });
    /** What cannot be removed yet, because a driver is absent, does not hold up the rest. False: it stays. */
    const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        logger.info('what a pod left stays for now', { what, error });
        return false;
      }
    };
    /** Pods of which something may still run, and which must keep their volumes. */
    const stuck = new Set<string>();
    await Promise.all(
      sandboxes.map(async ({ id, metadata, labels: own }) => {
        const pod = `${metadata.namespace}/${metadata.name}`;
        logger.info('a pod that is not wanted here is removed', { pod });
        timings.orphanFound();
        const isGone = await attempt(`sandbox of ${pod}`, async () => {
          await runtime.stopPodSandbox(id);
          await runtime.removePodSandbox(id);
        });
        if (!isGone) stuck.add(own[labels.podUid]!);
      }),
    );
    const mayGo = (uid: string) => !isWanted(uid) && !stuck.has(uid);
    await attempt('claimed devices', () => claims.tidy((uid) => !mayGo(uid)));
    const torn = [];
    for (const uid of await volumes.list())
      if (mayGo(uid)) torn.push(await attempt(`volumes of ${uid}`, () => volumes.tearDown(uid)));
    const cleaned = torn.filter(Boolean).length;
    timings.orphanVolumes(cleaned, torn.length - cleaned);
    await attempt('staged volumes', () => volumes.clearUnused());
    for (const uid of await machine.cgroups.list())
      if (mayGo(uid)) await attempt(`control group of ${uid}`, () => machine.cgroups.remove(uid));
    for (const uid of await userNamespaces.list())
      if (mayGo(uid)) await attempt(`user namespace of ${uid}`, () => userNamespaces.release(uid));
    for (const uid of await machine.files.listPods())
      if (mayGo(uid)) await attempt(`files of ${uid}`, () => machine.files.removePod(uid));
  }

  /** Pods from the informer; for the server's /pods. */
  apiPods(): Pod[] {
    return [...(this.#informer?.list() ?? [])];
  }
}

function isUp(state: string): boolean {
  return state === 'CONTAINER_RUNNING' || state === 'SANDBOX_READY';
}

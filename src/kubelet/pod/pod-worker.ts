/**
 * One pod on the node, from its admission to the removal of its last trace. A worker does one thing at a time: it looks
 * at what is there, does what its stage asks for, and sleeps until something changes.
 *
 *     new ─> running ─> terminating ─> terminated ─> finished
 *      └─────────────────────^  refused, or over already
 */
import type { Pod } from '../../api/resources.gen.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import type { KubeletContext } from '../context.ts';
import { requestedResizes } from '../resources/requested-resizes.ts';
import { checkDeadline } from './end/pod-deadline.ts';
import { type Eviction, specifiedGraceSeconds } from './end/pod-end.ts';
import { removeTraces } from './end/pod-release.ts';
import { letGoOfObject, tearDownPod } from './end/pod-teardown.ts';
import { admitPod } from './pod-admission.ts';
import { changedImages, needsSync } from './pod-changes.ts';
import type { ObservedPod } from './pod-observation.ts';
import { PodRecord } from './pod-record.ts';
import { PodSync } from './pod-sync.ts';
import { isTerminalPhase } from './status/pod-phase.ts';

export interface PodWorkerOptions {
  context: KubeletContext;
  pod: Pod;
  /** When the node learned of it, in milliseconds since the epoch. */
  seenAtMs: number;
  /** Mirror pods represent static ones: their status goes to the mirror, which they may not delete. */
  isStatic?: boolean;
  /** An earlier agent admitted it: it has its share of the node before this agent has checked it. */
  wasTakenIn?: boolean;
  /** Nothing is left of the pod. */
  finished(worker: PodWorker): void;
}

type Stage = 'new' | 'running' | 'terminating' | 'terminated' | 'finished';

const errorRetry = { firstMs: 250, maxMs: 10_000 };

export class PodWorker {
  /** When the node learned of it, in milliseconds since the epoch. */
  readonly seenAtMs: number;
  readonly #context: KubeletContext;
  readonly #record: PodRecord;
  readonly #sync: PodSync;
  readonly #finished: (worker: PodWorker) => void;
  readonly #done = Promise.withResolvers<void>();
  readonly #looked = Promise.withResolvers<void>();
  #stage: Stage = 'new';
  #admitted = false;
  #errorAttempt = 0;
  #hasBegun = false;
  readonly #seenMs: number;
  /** Something may require another step. */
  #dirty = true;
  #running = false;

  constructor(options: PodWorkerOptions) {
    const { context, pod, seenAtMs, isStatic = false, wasTakenIn = false, finished } = options;
    this.seenAtMs = seenAtMs;
    this.#seenMs = context.clock.monotonic();
    this.#context = context;
    this.#record = new PodRecord({ context, pod, isStatic, wake: () => this.wake() });
    this.#sync = new PodSync(this.#record);
    this.#finished = finished;
    this.#admitted = wasTakenIn && !isTerminalPhase(pod.status?.phase);
  }

  get uid(): string {
    return this.#record.uid;
  }
  get isStatic(): boolean {
    return this.#record.isStatic;
  }
  get pod(): Pod {
    return this.#record.pod;
  }
  /** With the resources that the node has reserved for it, which may differ from those that it asks for now. */
  get grantedPod(): Pod {
    return this.#record.granted;
  }
  /** Other pods hold the resources that it asks for. */
  get waitsForResources(): boolean {
    return this.#record.resources.isDeferred && !this.isTerminating;
  }
  get observed(): ObservedPod {
    return this.#record.observed;
  }
  get isTerminating(): boolean {
    return this.#stage === 'terminating' || this.isDone;
  }
  /** None of it uses the node's resources any longer. */
  get isDone(): boolean {
    return this.#stage === 'terminated' || this.#stage === 'finished';
  }
  /** Resolves when none of it uses the node's resources any longer. */
  done(): Promise<void> {
    return this.#done.promise;
  }
  /**
   * It counts against the node's capacity. It no longer does once nothing of it runs, although its volumes may still be
   * there, or once its object is gone, although its containers may: the scheduler reuses its place as soon as it sees
   * either.
   */
  get isAdmitted(): boolean {
    return this.#admitted && !this.hasLeft;
  }
  /** It counts no longer against the node's capacity. */
  get hasLeft(): boolean {
    const { hasEnded, isRemoved } = this.#record.end;
    return hasEnded || isRemoved || this.isDone;
  }

  /** The node admits it: from now on it counts against the node's capacity. */
  takeIn(): void {
    this.#admitted = true;
  }

  /** Resolves when it is known what already exists of the pod. */
  looked(): Promise<void> {
    return this.#looked.promise;
  }

  /** Why a container does not run, in one word. */
  waitingReason(containerName: string): string | undefined {
    return this.#record.waiting.shown.get(containerName)?.reason;
  }

  update(pod: Pod): void {
    const record = this.#record;
    const before = record.pod;
    if (pod.metadata.resourceVersion === before.metadata.resourceVersion && !this.isStatic) return;
    record.pod = pod;
    this.#context.statuses.noteServerStatus(pod);
    const took = record.startLatency.observe(pod);
    if (took) this.#context.timings.podRuns(took);
    if (!needsSync(before, pod)) return;
    for (const resize of requestedResizes(before, pod)) this.#context.counts.resizeRequested(resize);
    for (const name of changedImages(before, pod)) record.waiting.imageChanged(name);
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
    if (deletionTimestamp) record.end.noteDeletion(deletionGracePeriodSeconds);
    this.wake();
  }

  setMirror(mirror: Pod | undefined): void {
    const { uid: before } = this.#record.mirror?.metadata ?? {};
    this.#record.mirror = mirror;
    if (before !== undefined && before !== mirror?.metadata.uid) this.#context.statuses.forget(before);
    if (mirror) this.#context.statuses.noteServerStatus(mirror);
    this.wake();
  }

  /** The object is gone, `last` its final state if known: what still runs must end. */
  remove(last: Pod = this.pod): void {
    const { end, pod } = this.#record;
    if (end.isRemoved) return;
    end.isRemoved = true;
    end.noteDeletion(last.metadata.deletionGracePeriodSeconds ?? specifiedGraceSeconds(pod));
    this.wake();
  }

  evict(eviction: Eviction): void {
    if (!this.isTerminating && this.#record.end.evict(eviction)) this.wake();
  }

  /** The runtime sent an event about this pod; `exitedId`: the container or sandbox that has ended. */
  runtimeChanged(exitedId?: string): void {
    const { view } = this.#record;
    if (exitedId) view.noteExit(exitedId);
    else view.invalidate();
    this.wake();
  }

  /** The result of a probe changed; this is reported at once, whatever else the worker is doing. */
  probeChanged(): void {
    if (this.#running && this.#stage !== 'finished') this.#record.report();
    this.wake();
  }

  wake(): void {
    this.#dirty = true;
    if (!this.#running && this.#stage !== 'finished') void this.#run();
  }

  async #run(): Promise<void> {
    const { signal, logger, clock, timings } = this.#context;
    const { view, timer } = this.#record;
    this.#running = true;
    this.#noteBeginning();
    while (this.#dirty && !signal.aborted && this.#stage !== 'finished') {
      this.#dirty = false;
      timer.cancel();
      const startMs = clock.monotonic();
      const operation = this.#operation;
      try {
        await this.#step();
        this.#errorAttempt = 0;
      } catch (error) {
        if (signal.aborted) break;
        view.invalidate();
        const { namespace, name } = this.pod.metadata;
        logger.warn('a pod could not be synced', { pod: `${namespace}/${name}`, error });
        timer.within(backoffDelayMs(errorRetry, Math.min(this.#errorAttempt++, 10)));
      }
      timings.sync(operation, (clock.monotonic() - startMs) / 1000);
    }
    this.#running = false;
  }

  #noteBeginning(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const { clock, counts } = this.#context;
    counts.workBegan(this.pod, (clock.monotonic() - this.#seenMs) / 1000);
  }

  /** The purpose of a sync, in the words of upstream's metrics. */
  get #operation(): string {
    if (this.#stage === 'new') return 'create';
    return this.isTerminating || this.#mustEnd() ? 'kill' : 'sync';
  }

  /** Proceeds from stage to stage as far as it can without waiting. */
  async #step(): Promise<void> {
    await this.#record.observe();
    this.#looked.resolve();
    if (this.#stage === 'new') await this.#admit();
    if (this.#stage === 'running') await this.#syncOrEnd();
    if (this.#stage === 'terminating') await this.#terminate();
    if (this.#stage === 'terminated') await this.#finish();
  }

  #mustEnd(): boolean {
    return this.#record.end.isDue(this.pod);
  }

  async #admit(): Promise<void> {
    this.#admitted = await admitPod(this.#record);
    this.#stage = this.#admitted ? 'running' : 'terminating';
  }

  async #syncOrEnd(): Promise<void> {
    checkDeadline(this.#record);
    if (this.#mustEnd()) this.#stage = 'terminating';
    else await this.#sync.run();
  }

  async #terminate(): Promise<void> {
    await tearDownPod(this.#record);
    this.#stage = 'terminated';
    this.#done.resolve();
    this.#context.resourcesFreed();
  }

  async #finish(): Promise<void> {
    if (!(await letGoOfObject(this.#record))) return;
    this.#stage = 'finished';
    this.#context.statuses.forget(this.#record.mirror?.metadata.uid ?? this.uid);
    // First, since a static pod may come again with the same uid, and so with the same folders.
    await removeTraces(this.#context, this.uid, this.observed);
    this.#finished(this);
  }
}

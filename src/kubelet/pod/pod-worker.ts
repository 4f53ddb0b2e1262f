/**
 * One pod on the node, from its admission to the removal of its last trace. A worker does one thing at a time: it looks
 * at what is there, decides (pod-actions.ts), acts, and sleeps until something changes.
 */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { backoffDelayMs } from '../../base/backoff.ts';
import type { KubeletContext } from '../context.ts';
import type { SandboxConfig } from '../cri/runtime.ts';
import { volumeObjectsOf } from '../volumes/volume-objects.ts';
import { ClaimedDevices } from './claimed-devices.ts';
import { ContainerResources } from './container-resources.ts';
import { StartProblem, startContainer } from './container-start.ts';
import { CrashHold } from './crash-hold.ts';
import { computePodActions, type PodActions } from './pod-actions.ts';
import { podEvents } from './pod-events.ts';
import { removeLeftovers } from './pod-leftovers.ts';
import { PodMounts } from './pod-mounts.ts';
import { changedImages, isNews } from './pod-news.ts';
import { findContainer, type ObservedContainer, type ObservedPod } from './pod-observation.ts';
import { adoptProbes, watchProbes } from './pod-probes.ts';
import { deletePodObject, releasePod, removeTraces } from './pod-release.ts';
import { reportPod } from './pod-report.ts';
import { PodSandbox } from './pod-sandbox.ts';
import { isTerminalPhase, type PodVerdict } from './pod-status.ts';
import { stopAllContainers, stopKilled } from './pod-termination.ts';
import { PodView } from './pod-view.ts';
import { nextRestartCount } from './restart-count.ts';
import { awaitTrafficRules } from './traffic-rules.ts';
import { WaitingReasons } from './waiting-reasons.ts';
import { WakeTimer } from './wake-timer.ts';

/** Ends a pod for a reason that is not its own. */
export interface Eviction extends PodVerdict {
  graceSeconds: number;
}

export interface PodWorkerOptions {
  context: KubeletContext;
  pod: Pod;
  /** Mirror pods stand for static ones: their status goes to the mirror, which is not theirs to delete. */
  isStatic?: boolean;
  /** Nothing is left of the pod. */
  finished(worker: PodWorker): void;
}

type Stage = 'new' | 'running' | 'terminating' | 'terminated' | 'finished';

const errorRetry = { firstMs: 250, maxMs: 10_000 };
/** How soon to look again for a network that is not there yet. */
const networkRetryMs = 500;
/** How soon a resize that did not come about is tried again, although nothing tells that it could. */
const resizeRetryMs = 30_000;

/** Where the containers of a pod start. */
interface Place {
  sandboxId: string;
  runtimeHandler: string;
  sandboxConfig: SandboxConfig;
  podIps: readonly string[];
}

export class PodWorker {
  readonly uid: string;
  readonly isStatic: boolean;
  readonly #context: KubeletContext;
  readonly #finished: (worker: PodWorker) => void;
  #pod: Pod;
  /** With a static pod: what stands for it at the API. */
  #mirror: Pod | undefined;
  #stage: Stage = 'new';
  #admitted = false;
  /** The API object, or the static pod's file, is gone. */
  #isRemoved = false;
  #eviction: Eviction | undefined;
  #verdict: PodVerdict | undefined;
  #hasEnded = false;
  readonly #waiting = new WaitingReasons();
  readonly #hold: CrashHold;
  readonly #view: PodView;
  readonly #mounts: PodMounts;
  readonly #claimed: ClaimedDevices;
  readonly #timer: WakeTimer;
  readonly #resources: ContainerResources;
  readonly #sandbox: PodSandbox;
  #errorAttempt = 0;
  /** When it came, until its first container has started. */
  #seenMs: number | undefined;
  /** Aborted when the pod is to end: whatever takes long is cut short. */
  readonly #ending = new AbortController();
  /** Aborted when its grace is over early. */
  readonly #hurry = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  readonly #looked = Promise.withResolvers<void>();
  #graceSeconds: number | undefined;
  #dirty = true;
  #running = false;

  constructor({ context, pod, isStatic, finished }: PodWorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.uid = pod.metadata.uid;
    this.isStatic = isStatic ?? false;
    this.#finished = finished;
    this.#hold = new CrashHold(context);
    this.#view = new PodView(context, this.uid);
    this.#mounts = new PodMounts(context);
    this.#claimed = new ClaimedDevices(context);
    this.#timer = new WakeTimer(context.clock, () => this.wake());
    this.#sandbox = new PodSandbox(context);
    this.#resources = new ContainerResources(context, pod);
  }

  get pod(): Pod {
    return this.#pod;
  }
  /** With the resources that the node has set aside for it, which may be others than it asks for by now. */
  get grantedPod(): Pod {
    return this.#resources.granted(this.#pod);
  }
  /** Others have what it asks for. */
  get waitsForResources(): boolean {
    return this.#resources.isDeferred && !this.isTerminating;
  }
  get observed(): ObservedPod {
    return this.#view.observed;
  }
  get isTerminating(): boolean {
    return this.#stage === 'terminating' || this.#stage === 'terminated' || this.#stage === 'finished';
  }
  /** Nothing of it uses the node's resources any more. */
  get isDone(): boolean {
    return this.#stage === 'terminated' || this.#stage === 'finished';
  }
  /** Resolves when nothing of it uses the node's resources any more. */
  done(): Promise<void> {
    return this.#done.promise;
  }
  /**
   * It counts against what the node has. Not once nothing of it runs, although its volumes may still be there, nor once
   * its object is gone, although its containers may: the scheduler gives its place away as soon as it reads of either.
   */
  get isAdmitted(): boolean {
    return this.#admitted && !this.#hasEnded && !this.#isRemoved && !this.isDone;
  }

  /** Resolves when it is known what of the pod is there already. */
  looked(): Promise<void> {
    return this.#looked.promise;
  }

  /** Why a container does not run, in one word. */
  waitingReason(containerName: string): string | undefined {
    return this.#waiting.shown.get(containerName)?.reason;
  }

  update(pod: Pod): void {
    const before = this.#pod;
    if (pod.metadata.resourceVersion === before.metadata.resourceVersion && !this.isStatic) return;
    this.#pod = pod;
    this.#context.statuses.noteServerStatus(pod);
    if (!isNews(before, pod)) return;
    for (const name of changedImages(before, pod)) this.#waiting.imageChanged(name);
    if (pod.metadata.deletionTimestamp) this.#noteDeletion(pod.metadata.deletionGracePeriodSeconds ?? 0);
    this.wake();
  }

  setMirror(mirror: Pod | undefined): void {
    this.#mirror = mirror;
    if (mirror) this.#context.statuses.noteServerStatus(mirror);
    this.wake();
  }

  /** The object is gone, `last` its final state if known: what still runs must end. */
  remove(last: Pod = this.#pod): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    this.#noteDeletion(
      last.metadata.deletionGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30,
    );
    this.wake();
  }

  evict(eviction: Eviction): void {
    if (this.#eviction || this.isTerminating) return;
    this.#eviction = eviction;
    this.#ending.abort();
    this.wake();
  }

  /** The runtime told of something about this pod; `exitedId`: that this container or sandbox of it has ended. */
  runtimeChanged(exitedId?: string): void {
    if (exitedId) this.#view.noteExit(exitedId);
    else this.#view.invalidate();
    this.wake();
  }

  /** A probe found something else than before; that is told at once, whatever the worker is busy with. */
  probeChanged(): void {
    if (this.#running && this.#stage !== 'finished') this.#report();
    this.wake();
  }

  wake(): void {
    this.#dirty = true;
    if (!this.#running && this.#stage !== 'finished') void this.#run();
  }

  #noteDeletion(graceSeconds: number): void {
    this.#ending.abort();
    if (this.#graceSeconds !== undefined && graceSeconds < this.#graceSeconds && graceSeconds <= 1)
      this.#hurry.abort();
    this.#graceSeconds = Math.min(this.#graceSeconds ?? graceSeconds, graceSeconds);
  }

  async #run(): Promise<void> {
    const { signal, logger, clock } = this.#context;
    this.#running = true;
    while (this.#dirty && !signal.aborted && this.#stage !== 'finished') {
      this.#dirty = false;
      this.#timer.cancel();
      const startMs = clock.monotonic();
      const operation = this.#operation;
      try {
        await this.#step();
        this.#errorAttempt = 0;
      } catch (error) {
        if (signal.aborted) break;
        this.#view.invalidate();
        logger.warn('a pod could not be synced', {
          pod: `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`,
          error,
        });
        this.#timer.within(backoffDelayMs(errorRetry, Math.min(this.#errorAttempt++, 10)));
      }
      this.#context.timings.sync(operation, (clock.monotonic() - startMs) / 1000);
    }
    this.#running = false;
  }

  /** As upstream's metrics name what a sync is for. */
  get #operation(): string {
    if (this.#stage === 'new') return 'create';
    return this.isTerminating || this.#mustEnd() ? 'kill' : 'sync';
  }

  async #step(): Promise<void> {
    await this.#observe();
    if (this.#stage === 'new') await this.#begin();
    if (this.#stage === 'running') {
      this.#checkDeadline();
      if (this.#mustEnd()) this.#stage = 'terminating';
      else await this.#sync();
    }
    if (this.#stage === 'terminating') await this.#terminate();
    if (this.#stage === 'terminated') await this.#finish();
  }

  async #observe(): Promise<void> {
    const recheckMs = await this.#view.refresh();
    this.#looked.resolve();
    if (recheckMs !== undefined) this.#timer.within(recheckMs);
  }

  #mustEnd(): boolean {
    return (
      this.#isRemoved ||
      this.#pod.metadata.deletionTimestamp !== undefined ||
      this.#eviction !== undefined ||
      this.#verdict !== undefined ||
      this.#hasEnded
    );
  }

  /** Takes the pod in, or refuses it; one that is over already only waits for its deletion. */
  async #begin(): Promise<void> {
    const context = this.#context;
    if (isTerminalPhase(this.#pod.status?.phase)) {
      this.#hasEnded = true;
      this.#stage = 'terminating';
      return;
    }
    if (this.#mustEnd()) {
      this.#stage = 'terminating';
      return;
    }
    // A pod that already runs here has been admitted before.
    const isAdopted = this.observed.sandboxes.length > 0;
    if (isAdopted) adoptProbes(context, this.#pod, this.observed);
    const refusal = isAdopted ? undefined : await context.admit(this.#pod);
    if (refusal) {
      const message = `Pod was rejected: ${refusal.message}`;
      podEvents(context.recorder, this.#pod).warning(refusal.reason, refusal.message);
      this.#verdict = { reason: refusal.reason, message };
      this.#stage = 'terminating';
      return;
    }
    context.objects.use(this.uid, volumeObjectsOf(this.#pod));
    if (!isAdopted) this.#seenMs = this.#context.clock.monotonic();
    this.#admitted = true;
    this.#stage = 'running';
  }

  #checkDeadline(): void {
    const { activeDeadlineSeconds } = this.#pod.spec;
    if (activeDeadlineSeconds === undefined || this.#verdict) return;
    const { clock, recorder, statuses } = this.#context;
    const startTime = this.#pod.status?.startTime ?? statuses.statusOf(this.uid)?.startTime;
    const leftMs = startTime
      ? Date.parse(startTime) + activeDeadlineSeconds * 1000 - clock.now()
      : activeDeadlineSeconds * 1000;
    if (leftMs > 0) {
      this.#timer.within(leftMs);
      return;
    }
    const message = 'Pod was active on the node longer than the specified deadline';
    podEvents(recorder, this.#pod).normal('DeadlineExceeded', message);
    this.#verdict = { reason: 'DeadlineExceeded', message };
  }

  async #sync(): Promise<void> {
    this.#waiting.showHeldBack();
    this.#report();
    this.#waiting.dropOutdated();
    const context = this.#context;
    const cgroupParent = await this.#resources.apply(this.#pod, this.observed);
    if (this.#resources.isUnfinished) this.#timer.within(resizeRetryMs);
    const missing = (await this.#mounts.setUp(this.#pod)) ?? (await this.#claimed.setUp(this.#pod));
    if (missing) {
      this.#timer.within(missing.retryInMs);
      // What runs already goes on with what it has.
      if (!this.#view.hasRunning) return;
    }
    const actions = computePodActions(this.grantedPod, this.observed, (id) => context.probes.findings(id));
    if (actions.remove.length > 0) {
      for (const container of actions.remove) await context.runtime.removeContainer(container.id);
      this.#lookAgain();
      return;
    }
    if (actions.killPod) {
      await this.#endSandbox(actions);
      if (!actions.createSandbox) {
        this.#hasEnded = true;
        this.#lookAgain();
        return;
      }
    }
    await this.#killContainers(actions);
    const place = await this.#placeFor(actions, cgroupParent);
    if (!place) return;
    await this.#awaitTrafficRules(place.sandboxId);
    await this.#startContainers(actions, place);
    await this.#observe();
    watchProbes(context, this.#pod, this.observed);
    this.#report();
    await removeLeftovers(context, this.#pod, this.observed);
    const refreshMs = context.volumes.refreshDueMs(this.uid);
    if (refreshMs !== undefined) this.#timer.within(Math.max(0, refreshMs - context.clock.now()));
  }

  #lookAgain(): void {
    this.#view.invalidate();
    this.#dirty = true;
  }

  /** The sandbox to start containers in, made if need be; undefined: there is none yet. */
  async #placeFor(actions: PodActions, cgroupParent: string | undefined): Promise<Place | undefined> {
    const context = this.#context;
    const sandboxConfig = await this.#sandbox.configOf(this.#pod, actions.attempt, cgroupParent);
    const hostIps = this.#pod.spec.hostNetwork ? context.node().hostIps : undefined;
    if (actions.sandbox) {
      const { id: sandboxId, ips, runtimeHandler } = actions.sandbox;
      return { sandboxId, sandboxConfig, podIps: hostIps ?? ips, runtimeHandler };
    }
    const problem = hostIps ? undefined : context.networkProblem();
    if (problem) {
      podEvents(context.recorder, this.#pod).warning('NetworkNotReady', problem);
      this.#timer.within(networkRetryMs);
      return undefined;
    }
    const made = await this.#sandbox.create(this.#pod, sandboxConfig, this.#ending.signal);
    if ('retryInMs' in made) {
      this.#timer.within(made.retryInMs);
      return undefined;
    }
    this.#view.invalidate();
    await this.#observe();
    this.#lookAgain();
    const { id: sandboxId, ips, runtimeHandler } = made;
    return { sandboxId, sandboxConfig, podIps: hostIps ?? ips, runtimeHandler };
  }

  /** No container may send or receive before they are in force. Static pods start without an API server to tell of any. */
  async #awaitTrafficRules(sandboxId: string): Promise<void> {
    if (this.isStatic || this.#pod.spec.hostNetwork) return;
    if (this.observed.containers.some((container) => container.sandboxId === sandboxId)) return;
    await awaitTrafficRules(this.#context, this.#pod, this.#ending.signal);
  }

  async #endSandbox(actions: PodActions): Promise<void> {
    const context = this.#context;
    const had = this.observed.sandboxes.length > 0;
    if (had && actions.createSandbox)
      podEvents(context.recorder, this.#pod).normal(
        'SandboxChanged',
        'Pod sandbox changed, it will be killed and re-created.',
      );
    if (!had) return;
    const grace = this.#pod.spec.terminationGracePeriodSeconds ?? 30;
    await stopAllContainers(context, this.#pod, this.observed, grace, this.#hurry.signal);
    await Promise.all(
      this.observed.sandboxes
        .filter(({ ready }) => ready)
        .map(({ id }) => context.runtime.stopPodSandbox(id)),
    );
    if (actions.createSandbox)
      await Promise.all(this.observed.sandboxes.map(({ id }) => context.runtime.stopPodSandbox(id)));
  }

  /**
   * What was killed starts anew within the same step, and is told after it: clients that read a status to change it, as
   * upstream lets them, are not overtaken by a state that lasts for an instant.
   */
  async #killContainers({ kill }: PodActions): Promise<void> {
    if (kill.length === 0) return;
    const podIp = this.observed.sandboxes[0]?.ips[0] ?? '';
    await stopKilled(this.#context, this.#pod, kill, podIp, this.#hurry.signal);
    this.#view.invalidate();
    await this.#observe();
  }

  async #startContainers(actions: PodActions, place: Place): Promise<void> {
    const wanted = [...(actions.ephemeral as core.Container[]), ...actions.init, ...actions.containers];
    if (wanted.length === 0) return;
    const hostsFile = await this.#sandbox.writeHosts(this.#pod, place.podIps);
    for (const container of wanted) {
      if (this.#ending.signal.aborted) return;
      await this.#startOne(container, place, hostsFile);
    }
  }

  async #startOne(container: core.Container, place: Place, hostsFile: string | undefined): Promise<void> {
    const last = findContainer(this.observed, container.name);
    if (last && this.#holdsBack(container, last)) return;
    const target = (container as core.EphemeralContainer).targetContainerName;
    const targetId = target ? findContainer(this.observed, target)?.id : undefined;
    try {
      await startContainer(this.#context, {
        pod: this.grantedPod,
        container,
        restartCount: nextRestartCount(container.name, last, this.#knownStatus),
        ...place,
        hostsFile,
        volumes: this.#mounts.mounted,
        ...(targetId && { targetId }),
        started: () => {
          if (this.#seenMs !== undefined) {
            this.#context.timings.podStart((this.#context.clock.monotonic() - this.#seenMs) / 1000);
            this.#seenMs = undefined;
          }
          this.#waiting.started(container.name);
          this.#lookAgain();
        },
        interrupt: this.#ending.signal,
        pulling: (shows) => {
          if (shows) this.#waiting.show(container.name, shows);
          this.#report();
        },
      });
    } catch (error) {
      if (!(error instanceof StartProblem)) throw error;
      const retryInMs = this.#waiting.failed(container.name, error);
      if (retryInMs !== undefined) this.#timer.within(retryInMs);
      this.#view.invalidate();
    }
  }

  /** True while a container that keeps ending must wait. */
  #holdsBack(container: core.Container, last: ObservedContainer): boolean {
    const { waitMs, shows } = this.#hold.check(this.#pod, container, last);
    if (shows) this.#waiting.show(container.name, shows);
    if (waitMs > 0) this.#timer.within(waitMs);
    else if (shows) this.#report();
    return waitMs > 0;
  }

  get #knownStatus(): core.PodStatus {
    return this.#context.statuses.statusOf(this.uid) ?? this.#pod.status ?? {};
  }

  #report(): void {
    const subject = this.isStatic ? this.#mirror : this.#pod;
    if (!subject) return;
    reportPod(this.#context, {
      subject,
      observed: this.observed,
      failures: this.#waiting.shown,
      resources: this.#resources,
      verdict: this.#eviction ?? this.#verdict,
      hasEnded: this.#hasEnded,
    });
  }

  async #terminate(): Promise<void> {
    const context = this.#context;
    const { probes, runtime } = context;
    this.#ending.abort();
    probes.stopRestartingProbes(this.uid);
    if (this.#view.hasRunning) {
      if (this.#verdict || this.#eviction) this.#report();
      await stopAllContainers(context, this.#pod, this.observed, this.#grace(), this.#hurry.signal);
    }
    probes.stopPod(this.uid);
    const sandboxes = [...this.observed.sandboxes];
    this.#view.invalidate();
    await Promise.all([...sandboxes.map(({ id }) => runtime.stopPodSandbox(id)), this.#observe()]);
    if (this.#view.hasRunning) {
      // A container without a grace goes down with its sandbox.
      this.#view.invalidate();
      await this.#observe();
    }
    this.#hasEnded = true;
    if (this.#verdict?.reason === 'DeadlineExceeded')
      podEvents(context.recorder, this.#pod).normal(this.#verdict.reason, this.#verdict.message);
    this.#report();
    await this.#release();
    this.#stage = 'terminated';
    this.#done.resolve();
    context.resourcesFreed();
  }

  async #release(): Promise<void> {
    try {
      await releasePod(this.#context, this.uid);
    } catch (error) {
      const { message } = error as Error;
      podEvents(this.#context.recorder, this.#pod).warning('FailedUnMount', message);
      throw error;
    }
  }

  #grace(): number {
    if (this.#graceSeconds !== undefined) return this.#graceSeconds;
    return this.#eviction?.graceSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30;
  }

  /** The pod is over; when nobody wants its object any more, the last traces go. */
  async #finish(): Promise<void> {
    const { statuses } = this.#context;
    if (!this.#isRemoved && !this.isStatic) {
      if (!this.#pod.metadata.deletionTimestamp) return;
      await statuses.flushed(this.uid);
      await deletePodObject(this.#context, this.#pod);
      // Finalizers may keep the object; the informer tells when it is gone.
      if (this.#pod.metadata.finalizers?.length) return;
    } else if (this.isStatic && !this.#isRemoved) return;
    this.#stage = 'finished';
    statuses.forget(this.#mirror?.metadata.uid ?? this.uid);
    this.#finished(this);
    await removeTraces(this.#context, this.uid, this.observed);
  }
}

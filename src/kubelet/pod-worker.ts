/**
 * One pod on the node, from its admission to the removal of its last trace. A worker does one thing at a time: it looks
 * at what is there, decides (pod-actions.ts), acts, and sleeps until something changes.
 */
import { Pod } from '../api/resources.gen.ts';
import { StatusError } from '../api/status.ts';
import type * as core from '../api/types/core-v1.gen.ts';
import { backoffDelayMs } from '../base/backoff.ts';
import type { Timer } from '../base/clock.ts';
import { ContainerResources } from './container-resources.ts';
import { StartProblem, startContainer } from './container-start.ts';
import type { StatusInputs, WaitingReason } from './container-statuses.ts';
import type { KubeletContext } from './context.ts';
import type { SandboxConfig } from './cri/runtime.ts';
import { computePodActions, containerHash, type PodActions } from './pod-actions.ts';
import { containerEvents, podEvents } from './pod-events.ts';
import { removeLeftovers } from './pod-leftovers.ts';
import { findContainer, nothingObserved, type ObservedPod, observePod } from './pod-observation.ts';
import { PodSandbox } from './pod-sandbox.ts';
import { computePodStatus, isTerminalPhase, type PodVerdict } from './pod-status.ts';
import { stopAllContainers, stopContainer } from './pod-termination.ts';
import { isSidecar } from './restart-policy.ts';
import { type MountedVolume, VolumeError } from './volumes/pod-volumes.ts';

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

const mountRetry = { firstMs: 500, maxMs: 122_000 };
/** How long an end is shown as such before it shows as a back-off. */
const endShownMs = 10_000;
const exitRetry = { firstMs: 4, maxMs: 500 };
const exitTriesMax = 12;
const errorRetry = { firstMs: 250, maxMs: 10_000 };
/** Upstream's patience before it says which volumes are missing altogether. */
const mountPatienceMs = 123_000;

export class PodWorker {
  readonly uid: string;
  readonly isStatic: boolean;
  readonly #context: KubeletContext;
  readonly #finished: (worker: PodWorker) => void;
  #pod: Pod;
  /** With a static pod: what stands for it at the API. */
  #mirror: Pod | undefined;
  #observed: ObservedPod = nothingObserved;
  #isStale = true;
  /** Ends that events told of, with how often CRI has been asked since: its own word comes a moment later. */
  readonly #exits = new Map<string, number>();
  #stage: Stage = 'new';
  #admitted = false;
  /** The API object, or the static pod's file, is gone. */
  #isRemoved = false;
  #eviction: Eviction | undefined;
  #verdict: PodVerdict | undefined;
  #hasEnded = false;
  readonly #failures = new Map<string, WaitingReason>();
  /** Back-off keys of containers that wait for their next try. */
  readonly #held = new Set<string>();
  readonly #resources: ContainerResources;
  readonly #sandbox: PodSandbox;
  #volumes: ReadonlyMap<string, MountedVolume> = new Map();
  #mountAttempt = 0;
  #mountingSinceMs: number | undefined;
  #errorAttempt = 0;
  /** Aborted when the pod is to end: whatever takes long is cut short. */
  readonly #ending = new AbortController();
  /** Aborted when its grace is over early. */
  readonly #hurry = new AbortController();
  readonly #done = Promise.withResolvers<void>();
  #graceSeconds: number | undefined;
  #dirty = true;
  #running = false;
  #timer: Timer | undefined;
  #wakeMs = Number.POSITIVE_INFINITY;

  constructor({ context, pod, isStatic, finished }: PodWorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.uid = pod.metadata.uid;
    this.isStatic = isStatic ?? false;
    this.#finished = finished;
    this.#sandbox = new PodSandbox(context);
    this.#resources = new ContainerResources(context, pod);
  }

  get pod(): Pod {
    return this.#pod;
  }
  get observed(): ObservedPod {
    return this.#observed;
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
  /** It counts against what the node has. */
  get isAdmitted(): boolean {
    return this.#admitted && !this.isDone;
  }

  /** Why a container does not run, in one word. */
  waitingReason(containerName: string): string | undefined {
    return this.#failures.get(containerName)?.reason;
  }

  update(pod: Pod): void {
    const before = this.#pod;
    if (pod.metadata.resourceVersion === before.metadata.resourceVersion && !this.isStatic) return;
    this.#pod = pod;
    this.#context.statuses.noteServerStatus(pod);
    // The echo of our own status writes means nothing new.
    if (this.#isEcho(before, pod)) return;
    for (const container of allContainers(pod)) {
      const old = allContainers(before).find(({ name }) => name === container.name);
      if (old && old.image !== container.image) this.#failures.delete(container.name);
    }
    if (pod.metadata.deletionTimestamp) this.#noteDeletion(pod.metadata.deletionGracePeriodSeconds ?? 0);
    this.wake();
  }

  setMirror(mirror: Pod | undefined): void {
    this.#mirror = mirror;
    if (mirror) this.#context.statuses.noteServerStatus(mirror);
    this.wake();
  }

  /** The object is gone: what still runs must end. */
  remove(): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    this.#noteDeletion(
      this.#pod.metadata.deletionGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30,
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
    if (exitedId) this.#exits.set(exitedId, 0);
    this.#isStale = true;
    this.wake();
  }

  wake(): void {
    this.#dirty = true;
    if (!this.#running && this.#stage !== 'finished') void this.#run();
  }

  #isEcho(before: Pod, after: Pod): boolean {
    return (
      before.spec === after.spec ||
      (before.metadata.generation !== undefined &&
        before.metadata.generation === after.metadata.generation &&
        before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
        before.metadata.deletionGracePeriodSeconds === after.metadata.deletionGracePeriodSeconds &&
        sameMaps(before.metadata.labels, after.metadata.labels) &&
        sameMaps(before.metadata.annotations, after.metadata.annotations) &&
        !(after.spec.readinessGates?.length && this.#stage === 'running') &&
        before.metadata.finalizers?.length === after.metadata.finalizers?.length)
    );
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
      this.#cancelTimer();
      const startMs = clock.monotonic();
      try {
        await this.#step();
        this.#errorAttempt = 0;
      } catch (error) {
        if (signal.aborted) break;
        this.#isStale = true;
        logger.warn('a pod could not be synced', {
          pod: `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`,
          error,
        });
        this.#wakeIn(backoffDelayMs(errorRetry, Math.min(this.#errorAttempt++, 10)));
      }
      this.#context.timings.sync((clock.monotonic() - startMs) / 1000);
    }
    this.#running = false;
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakeMs = Number.POSITIVE_INFINITY;
  }

  #wakeIn(delayMs: number): void {
    const dueMs = this.#context.clock.monotonic() + delayMs;
    if (dueMs >= this.#wakeMs) return;
    this.#timer?.cancel();
    this.#wakeMs = dueMs;
    this.#timer = this.#context.clock.after(delayMs, () => {
      this.#wakeMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
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
    if (!this.#isStale) return;
    this.#isStale = false;
    const { runtime, machine } = this.#context;
    this.#observed = await observePod(runtime, this.uid, this.#observed, machine.files.terminationMessage);
    for (const [id, tries] of this.#exits) {
      const isListed =
        this.#observed.containers.some((container) => container.id === id && container.state === 'running') ||
        this.#observed.sandboxes.some((sandbox) => sandbox.id === id && sandbox.ready);
      if (!isListed || tries >= exitTriesMax) {
        this.#exits.delete(id);
        continue;
      }
      this.#exits.set(id, tries + 1);
      this.#isStale = true;
      this.#wakeIn(backoffDelayMs(exitRetry, tries));
    }
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
    const refusal = this.#observed.sandboxes.length > 0 ? undefined : await context.admit(this.#pod);
    if (refusal) {
      const message = `Pod was rejected: ${refusal.message}`;
      podEvents(context.recorder, this.#pod).warning(refusal.reason, refusal.message);
      this.#verdict = { reason: refusal.reason, message };
      this.#stage = 'terminating';
      return;
    }
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
      this.#wakeIn(leftMs);
      return;
    }
    const message = 'Pod was active on the node longer than the specified deadline';
    podEvents(recorder, this.#pod).normal('DeadlineExceeded', message);
    this.#verdict = { reason: 'DeadlineExceeded', message };
  }

  async #sync(): Promise<void> {
    this.#report();
    const context = this.#context;
    const cgroupParent = await context.machine.cgroups.apply(this.#pod);
    if (!(await this.#mountVolumes())) return;
    await this.#resources.sync(this.#pod, this.#observed);
    const actions = computePodActions(this.#pod, this.#observed, (id) => context.probes.findings(id));
    if (actions.remove.length > 0) {
      for (const container of actions.remove) await context.runtime.removeContainer(container.id);
      this.#becomeStale();
      return;
    }
    if (actions.killPod) {
      await this.#endSandbox(actions);
      if (!actions.createSandbox) {
        this.#hasEnded = true;
        this.#becomeStale();
        return;
      }
    }
    await this.#killContainers(actions);
    const config = await this.#sandbox.configOf(this.#pod, actions.attempt, cgroupParent);
    let sandboxId = actions.sandbox?.id;
    let podIps = actions.sandbox?.ips ?? [];
    if (!sandboxId) {
      const problem = this.#pod.spec.hostNetwork ? undefined : context.networkProblem();
      if (problem) {
        podEvents(context.recorder, this.#pod).warning('NetworkNotReady', problem);
        this.#wakeIn(500);
        return;
      }
      const made = await this.#sandbox.create(this.#pod, config, this.#ending.signal);
      if ('retryInMs' in made) {
        this.#wakeIn(made.retryInMs);
        return;
      }
      this.#becomeStale();
      sandboxId = made.id;
      podIps = made.ips;
      await this.#observe();
      this.#isStale = true;
    }
    if (this.#pod.spec.hostNetwork) podIps = [...context.node().hostIps];
    await this.#startContainers(actions, sandboxId, podIps, config);
    await this.#observe();
    this.#watchProbes();
    this.#report();
    await removeLeftovers(context, this.#pod, this.#observed);
    const refreshMs = context.volumes.refreshDueMs(this.uid);
    if (refreshMs !== undefined) this.#wakeIn(Math.max(0, refreshMs - context.clock.now()));
  }

  #becomeStale(): void {
    this.#isStale = true;
    this.#dirty = true;
  }

  /** True when everything is in place. */
  async #mountVolumes(): Promise<boolean> {
    const context = this.#context;
    try {
      this.#volumes = await context.volumes.setUp(this.#pod);
      this.#mountAttempt = 0;
      this.#mountingSinceMs = undefined;
      return true;
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error;
      const events = podEvents(context.recorder, this.#pod);
      events.warning('FailedMount', error.message);
      const nowMs = context.clock.monotonic();
      this.#mountingSinceMs ??= nowMs;
      if (nowMs - this.#mountingSinceMs >= mountPatienceMs) {
        this.#mountingSinceMs = nowMs;
        events.warning(
          'FailedMount',
          `Unable to attach or mount volumes: unmounted volumes=[${error.volume}], unattached volumes=[], failed to process volumes=[]: context deadline exceeded`,
        );
      }
      this.#wakeIn(backoffDelayMs(mountRetry, this.#mountAttempt++));
      // What runs already goes on running with what it has.
      return this.#observed.containers.some(({ state }) => state === 'running') && this.#volumes.size > 0;
    }
  }

  async #endSandbox(actions: PodActions): Promise<void> {
    const context = this.#context;
    const had = this.#observed.sandboxes.length > 0;
    if (had && actions.createSandbox)
      podEvents(context.recorder, this.#pod).normal(
        'SandboxChanged',
        'Pod sandbox changed, it will be killed and re-created.',
      );
    if (!had) return;
    const grace = this.#pod.spec.terminationGracePeriodSeconds ?? 30;
    await stopAllContainers(context, this.#pod, this.#observed, grace, this.#hurry.signal);
    await Promise.all(
      this.#observed.sandboxes
        .filter(({ ready }) => ready)
        .map(({ id }) => context.runtime.stopPodSandbox(id)),
    );
    if (actions.createSandbox)
      await Promise.all(this.#observed.sandboxes.map(({ id }) => context.runtime.stopPodSandbox(id)));
  }

  async #killContainers(actions: PodActions): Promise<void> {
    if (actions.kill.length === 0) return;
    const context = this.#context;
    const podGrace = this.#pod.spec.terminationGracePeriodSeconds ?? 30;
    await Promise.all(
      actions.kill.map(({ container, spec, reason, message }) => {
        const probe =
          reason === 'liveness' ? spec.livenessProbe : reason === 'startup' ? spec.startupProbe : undefined;
        return stopContainer(context, {
          pod: this.#pod,
          spec,
          container,
          message,
          graceSeconds: probe?.terminationGracePeriodSeconds ?? podGrace,
          podIp: this.#observed.sandboxes[0]?.ips[0] ?? '',
          hurry: this.#hurry.signal,
        });
      }),
    );
    this.#isStale = true;
    await this.#observe();
    this.#report();
  }

  async #startContainers(
    actions: PodActions,
    sandboxId: string,
    podIps: readonly string[],
    sandboxConfig: SandboxConfig,
  ): Promise<void> {
    const wanted = [...(actions.ephemeral as core.Container[]), ...actions.init, ...actions.containers];
    if (wanted.length === 0) return;
    const hostsFile = await this.#sandbox.writeHosts(this.#pod, podIps);
    for (const container of wanted) {
      if (this.#ending.signal.aborted) return;
      await this.#startOne(container, { sandboxId, podIps, sandboxConfig, hostsFile });
    }
  }

  async #startOne(
    container: core.Container,
    place: {
      sandboxId: string;
      podIps: readonly string[];
      sandboxConfig: SandboxConfig;
      hostsFile: string | undefined;
    },
  ): Promise<void> {
    const context = this.#context;
    const last = findContainer(this.#observed, container.name);
    if (last && this.#holdsBack(container, last.finishedAtMs)) return;
    const target = (container as core.EphemeralContainer).targetContainerName;
    const targetId = target ? findContainer(this.#observed, target)?.id : undefined;
    try {
      await startContainer(context, {
        pod: this.#pod,
        container,
        restartCount: this.#restartCount(container, last?.restartCount),
        ...place,
        volumes: this.#volumes,
        ...(targetId && { targetId }),
        resources: this.#resources.granted(container.name),
        started: () => {
          this.#failures.delete(container.name);
          this.#isStale = true;
          this.#dirty = true;
          if (container.lifecycle?.postStart) void this.#reportSoon();
        },
        interrupt: this.#ending.signal,
        pulling: () => this.#report(),
      });
    } catch (error) {
      if (!(error instanceof StartProblem)) throw error;
      this.#failures.set(container.name, error.waiting);
      this.#isStale = true;
      if (error.retryInMs !== undefined) this.#wakeIn(error.retryInMs);
    }
  }

  /** While a postStart hook runs, the container is seen running, not yet ready. */
  async #reportSoon(): Promise<void> {
    await this.#observe();
    this.#isStale = true;
  }

  #restartCount(container: core.Container, last: number | undefined): number {
    if (last !== undefined) return last + 1;
    const before = [
      ...(this.#pod.status?.containerStatuses ?? []),
      ...(this.#pod.status?.initContainerStatuses ?? []),
    ].find(({ name }) => name === container.name);
    // The runtime has forgotten it (its storage was wiped): the count goes on.
    return before?.containerID ? before.restartCount + 1 : 0;
  }

  /**
   * True while a container that keeps ending must wait. How it ended is shown for a while before the wait is, and the
   * wait always before the next try: that is what users of upstream see.
   */
  #holdsBack(container: core.Container, endedMs: number): boolean {
    const { crashBackoff, recorder, clock } = this.#context;
    const { name, namespace } = this.#pod.metadata;
    const key = `${this.uid}/${container.name}/${containerHash(container)}`;
    const remainingMs = crashBackoff.remainingMs(key, endedMs);
    const who = `${name}_${namespace}(${this.uid})`;
    const waitedMs = clock.now() - endedMs;
    const hasWaited = this.#failures.get(container.name)?.reason === 'CrashLoopBackOff';
    if (remainingMs > 0) {
      const shows = waitedMs >= endShownMs;
      this.#wakeIn(shows ? remainingMs : Math.min(remainingMs, endShownMs - waitedMs));
      if (!this.#held.has(key) || (shows && !hasWaited))
        containerEvents(recorder, this.#pod, container).warning(
          'BackOff',
          `Back-off restarting failed container ${container.name} in pod ${who}`,
        );
      this.#held.add(key);
      if (!shows) return true;
    }
    if (remainingMs > 0 || this.#held.has(key)) {
      const full = formatSeconds(crashBackoff.delayMs(key));
      this.#failures.set(container.name, {
        reason: 'CrashLoopBackOff',
        message: `back-off ${full} restarting failed container=${container.name} pod=${who}`,
      });
    }
    if (remainingMs > 0) return true;
    if (this.#held.delete(key)) this.#report();
    crashBackoff.next(key, endedMs);
    return false;
  }

  #watchProbes(): void {
    const { probes } = this.#context;
    const podIp = this.#pod.spec.hostNetwork
      ? (this.#context.node().hostIps[0] ?? '')
      : (this.#observed.sandboxes[0]?.ips[0] ?? '');
    const probed = [...(this.#pod.spec.initContainers ?? []).filter(isSidecar), ...this.#pod.spec.containers];
    const running = probed.flatMap((container) => {
      const observed = findContainer(this.#observed, container.name);
      return observed?.state === 'running'
        ? [{ container, id: observed.id, startedAtMs: observed.startedAtMs }]
        : [];
    });
    probes.sync(this.#pod, podIp, running);
    for (const { id, container } of running) {
      const known = [
        ...(this.#pod.status?.containerStatuses ?? []),
        ...(this.#pod.status?.initContainerStatuses ?? []),
      ].find(({ containerID }) => containerID?.endsWith(`//${id}`));
      if (known && this.#context.statuses.statusOf(this.uid) === undefined)
        probes.adopt(id, { started: known.started ?? !container.startupProbe, ready: known.ready });
    }
  }

  #report(): void {
    const { statuses } = this.#context;
    const subject = this.isStatic ? this.#mirror : this.#pod;
    const status = this.#computeStatus(subject ?? this.#pod);
    if (subject) statuses.set(subject, status);
  }

  #computeStatus(subject: Pod): core.PodStatus {
    const context = this.#context;
    const before = context.statuses.statusOf(subject.metadata.uid);
    const verdict = this.#eviction ?? this.#verdict;
    const inputs: StatusInputs & Parameters<typeof computePodStatus>[2] = {
      runtimeName: context.runtimeName,
      failures: this.#failures,
      isStarted: (container, observed) => context.probes.isStarted(container, observed.id),
      isReady: (container, observed) => context.probes.isReady(container, observed.id),
      resourcesOf: (container) => this.#resources.actual(container),
      nowMs: context.clock.now(),
      hostIps: context.node().hostIps,
      ended: this.#hasEnded,
      resize: { conditions: this.#resources.conditions() },
      ...(verdict && { verdict }),
    };
    // What was wanted last may not have reached the server yet; times and phases go on from there.
    const known = before
      ? { ...subject, status: { ...subject.status, ...before, conditions: mergeConditions(subject, before) } }
      : subject;
    return computePodStatus(known, this.#observed, inputs);
  }

  async #terminate(): Promise<void> {
    const context = this.#context;
    const { probes, runtime } = context;
    this.#ending.abort();
    probes.stopRestartingProbes(this.uid);
    this.#watchProbesForEnd();
    if (this.#observed.containers.some(({ state }) => state === 'running')) {
      if (this.#verdict || this.#eviction) this.#report();
      await stopAllContainers(context, this.#pod, this.#observed, this.#grace(), this.#hurry.signal);
    }
    probes.stopPod(this.uid);
    const stopped = Promise.all(this.#observed.sandboxes.map(({ id }) => runtime.stopPodSandbox(id)));
    this.#isStale = true;
    try {
      await this.#observe();
    } finally {
      await stopped;
    }
    if (this.#observed.containers.some(({ state }) => state === 'running')) {
      this.#isStale = true;
      await this.#observe();
    }
    this.#hasEnded = true;
    if (this.#verdict?.reason === 'DeadlineExceeded')
      podEvents(context.recorder, this.#pod).normal(this.#verdict.reason, this.#verdict.message);
    this.#report();
    await context.volumes.tearDown(this.uid);
    await context.machine.cgroups.remove(this.uid);
    context.devices.release(this.uid);
    context.objects.use(this.uid, []);
    context.crashBackoff.forget(`${this.uid}/`);
    context.images.forgetPod(this.uid);
    this.#stage = 'terminated';
    this.#done.resolve();
  }

  #watchProbesForEnd(): void {
    if (this.#stage === 'terminating' && this.#observed.containers.some(({ state }) => state === 'running'))
      this.#watchProbes();
    this.#context.probes.stopRestartingProbes(this.uid);
  }

  #grace(): number {
    if (this.#graceSeconds !== undefined) return this.#graceSeconds;
    return this.#eviction?.graceSeconds ?? this.#pod.spec.terminationGracePeriodSeconds ?? 30;
  }

  /** The pod is over; when nobody wants its object any more, the last traces go. */
  async #finish(): Promise<void> {
    const { client, statuses, runtime, machine, logger } = this.#context;
    if (!this.#isRemoved && !this.isStatic) {
      if (!this.#pod.metadata.deletionTimestamp) return;
      await statuses.flushed(this.uid);
      const { namespace = '', name } = this.#pod.metadata;
      try {
        await client.delete(
          Pod,
          { namespace, name },
          { gracePeriodSeconds: 0, preconditions: { uid: this.uid } },
        );
      } catch (error) {
        if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 409)) throw error;
      }
      // Finalizers may keep the object; the informer tells when it is gone.
      if (this.#pod.metadata.finalizers?.length) return;
    } else if (this.isStatic && !this.#isRemoved) return;
    this.#stage = 'finished';
    statuses.forget(this.#mirror?.metadata.uid ?? this.uid);
    this.#finished(this);
    await Promise.all(this.#observed.sandboxes.map(({ id }) => runtime.removePodSandbox(id)));
    await machine.files.removePod(this.uid).catch((error: unknown) => {
      logger.warn('the files of a pod could not be removed', { pod: this.uid, error });
    });
  }
}

function allContainers(pod: Pod): core.Container[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

function sameMaps(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/** The newest word on every condition: ours on ours, the server's on those of others. */
function mergeConditions(subject: Pod, before: core.PodStatus): core.PodCondition[] {
  const own = before.conditions ?? [];
  const others = (subject.status?.conditions ?? []).filter(
    ({ type }) => !own.some((known) => known.type === type),
  );
  return [...own, ...others];
}

/** 10s, 1m20s, 5m0s: as Go prints whole seconds. */
export function formatSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

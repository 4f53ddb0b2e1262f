/**
 * Pods waiting for a node: those to try now, those backing off after a failure, and those that wait for a change that
 * could help them. The plugins that refused a pod declare what could help it.
 */
import type { Pod } from '../api/resources.gen.ts';
import { backoffDelayMs } from '../base/async/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { ClusterEvent } from './framework/plugin.ts';
import { asksTheSame, createPodInfo, type PodInfo } from './framework/pod-info.ts';
import type { Profile } from './framework/profile.ts';
import { type ArrivalCause, QueueArrivals } from './queue/arrivals.ts';
import { AwaitedVictims, type VictimState } from './queue/awaited-victims.ts';
import { PodHeap } from './queue/pod-heap.ts';
import { type Place, places, type QueuedPod } from './queue/queued-pod.ts';
import { changesOfTarget, helps } from './queue/retry-hints.ts';

export interface SchedulingQueueOptions {
  clock: Clock;
  /** By scheduler name; other pods are not ours. */
  profiles: ReadonlyMap<string, Profile>;
  podInitialBackoffMs?: number;
  podMaxBackoffMs?: number;
}

/** Upstream's safety net: a pod that no event has helped is tried again after this. */
const unschedulableMaxMs = 5 * 60_000;
const flushEveryMs = 30_000;

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #backoff: { firstMs: number; maxMs: number };
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active = new PodHeap(isBefore);
  readonly #backingOff = new PodHeap((left, right) => left.backoffUntilMs < right.backoffUntilMs);
  /** Refusing plugin → pods that wait for a change. '' stands for no plugin. */
  readonly #waitingOn = new Map<string, Set<QueuedPod>>();
  readonly #awaitedVictims = new AwaitedVictims<QueuedPod>();
  readonly arrivals = new QueueArrivals();
  #sequence = 0;
  #wake: (() => void) | undefined;
  #backoffTimer: { dueMs: number; timer: Timer } | undefined;
  #flushTimer: Timer | undefined;
  #closed = false;

  constructor(options: SchedulingQueueOptions) {
    this.#clock = options.clock;
    this.#profiles = options.profiles;
    this.#backoff = {
      firstMs: options.podInitialBackoffMs ?? 1_000,
      maxMs: options.podMaxBackoffMs ?? 10_000,
    };
  }

  /** Pods per place, for metrics. */
  counts(): Record<Place, number> {
    const counts = Object.fromEntries(places.map((place) => [place, 0])) as Record<Place, number>;
    for (const { place } of this.#pods.values()) counts[place]++;
    return counts;
  }

  get(uid: string): QueuedPod | undefined {
    return this.#pods.get(uid);
  }

  /** A pod without a node was created. Pods of other schedulers are ignored. */
  add(pod: Pod): QueuedPod | undefined {
    const profile = this.#profiles.get(pod.spec?.schedulerName ?? 'default-scheduler');
    if (!profile || this.#pods.has(pod.metadata.uid)) return undefined;
    const queued: QueuedPod = {
      info: createPodInfo(pod),
      place: 'inFlight',
      profile,
      sequence: this.#sequence++,
      attempts: 0,
      firstTriedMs: 0,
      refusedBy: new Set(),
      isErrorBackoff: false,
      backoffUntilMs: 0,
      unschedulableSinceMs: 0,
      statusWrite: Promise.resolve(),
      ticket: 0,
    };
    this.#pods.set(pod.metadata.uid, queued);
    this.#activate(queued, 'UnschedulablePodAdd');
    return queued;
  }

  /** The waiting pod itself changed. */
  update(pod: Pod): void {
    const queued = this.#pods.get(pod.metadata.uid);
    if (!queued) {
      this.add(pod);
      return;
    }
    const before = queued.info;
    if (before.pod.spec === pod.spec && !pod.spec?.resourceClaims && asksTheSame(before.pod, pod)) {
      queued.info.pod = pod;
      return;
    }
    queued.info = createPodInfo(pod);
    if (queued.place === 'gated') this.#activate(queued, 'UnschedulablePodUpdate');
    if (queued.place !== 'unschedulable') return;
    const helpful = changesOfTarget(before, queued.info).find((change) =>
      [...queued.refusedBy].some((name) => helps(queued, name, change)),
    );
    if (helpful) this.#retry(queued, helpful);
  }

  remove(uid: string): void {
    const queued = this.#pods.get(uid);
    if (!queued) return;
    this.#move(queued, 'inFlight');
    this.#pods.delete(uid);
  }

  /** The next pod to try; it counts as in flight until it is returned or removed. */
  pop(): QueuedPod | undefined {
    const queued = this.#active.pop() ?? this.#popEarly();
    if (!queued) return undefined;
    this.#move(queued, 'inFlight');
    if (queued.attempts++ === 0) queued.firstTriedMs = this.#clock.monotonic();
    return queued;
  }

  /** Resolves when there may be something to pop, or the queue was closed. */
  ready(): Promise<void> {
    if (this.#closed || this.#hasReady()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** An attempt found no node; the plugins in `refusedBy` decide when to try again. */
  returnUnschedulable(queued: QueuedPod, refusedBy: ReadonlySet<string>): void {
    if (this.#pods.get(queued.info.uid) !== queued) return;
    queued.refusedBy = refusedBy;
    queued.isErrorBackoff = false;
    queued.unschedulableSinceMs = this.#clock.monotonic();
    queued.backoffUntilMs = this.#clock.monotonic() + backoffDelayMs(this.#backoff, queued.attempts - 1);
    this.#move(queued, 'unschedulable');
    this.arrivals.count('unschedulable', 'ScheduleAttemptFailure');
    this.#armFlush();
  }

  /** An attempt failed with an error: tried again when the back-off is over, whatever happens. */
  returnFailed(queued: QueuedPod): void {
    if (this.#pods.get(queued.info.uid) !== queued) return;
    queued.refusedBy = new Set();
    queued.isErrorBackoff = true;
    queued.backoffUntilMs = this.#clock.monotonic() + backoffDelayMs(this.#backoff, queued.attempts - 1);
    this.#move(queued, 'backoff');
    this.arrivals.count('backoff', 'ScheduleAttemptFailure');
  }

  /**
   * An attempt found no node, and victims are being evicted for the pod. Until each of them is seen to terminate it is
   * not tried again, which would choose more victims elsewhere; then it is tried, or waits for victims that end slowly.
   */
  returnPreempting(queued: QueuedPod, victims: readonly PodInfo[], refusedBy: ReadonlySet<string>): void {
    if (this.#pods.get(queued.info.uid) !== queued) return;
    this.#move(queued, 'preempting');
    queued.refusedBy = refusedBy;
    this.#awaitedVictims.add(
      queued,
      victims.map(({ uid }) => uid),
    );
  }

  settleVictim(uid: string, state: VictimState): void {
    for (const { preemptor, worst } of this.#awaitedVictims.settle(uid, state)) {
      if (preemptor.place !== 'preempting') continue;
      // At once it would choose the same victims, and be refused again.
      if (worst === 'stays') this.returnFailed(preemptor);
      else if (worst === 'going') this.returnUnschedulable(preemptor, preemptor.refusedBy);
      else this.#activate(preemptor, 'AssignedPodDelete');
    }
  }

  /** Something changed in the cluster: pods that it could help move on. */
  moveOn(event: ClusterEvent): void {
    if (this.#waitingOn.size === 0) return;
    for (const [name, waiting] of [...this.#waitingOn])
      for (const queued of [...waiting]) {
        if (!waiting.has(queued) || !helps(queued, name, event)) continue;
        if (queued.place === 'gated') this.#activate(queued, event);
        else this.#retry(queued, event);
      }
  }

  close(): void {
    this.#closed = true;
    this.#backoffTimer?.timer.cancel();
    this.#flushTimer?.cancel();
    this.#signalReady();
  }

  /** Into the queue of those to try, now or after the rest of the back-off. */
  #retry(queued: QueuedPod, cause: ArrivalCause): void {
    if (queued.backoffUntilMs <= this.#clock.monotonic()) {
      this.#activate(queued, cause);
      return;
    }
    this.#move(queued, 'backoff');
    this.arrivals.count('backoff', cause);
  }

  #activate(queued: QueuedPod, cause: ArrivalCause): void {
    const wasGated = queued.place === 'gated';
    const gate = queued.profile.preEnqueue.find(({ plugin }) => plugin.preEnqueue!(queued.info));
    if (gate) queued.refusedBy = new Set([gate.plugin.name]);
    this.#move(queued, gate ? 'gated' : 'active');
    // Upstream counts gated pods among the unschedulable ones.
    if (!gate) this.arrivals.count('active', cause);
    else if (!wasGated) this.arrivals.count('unschedulable', cause);
  }

  #move(queued: QueuedPod, place: Place): void {
    if (waitsForChange(queued.place)) this.#stopWaiting(queued);
    queued.place = place;
    queued.ticket++;
    if (place === 'active') {
      this.#active.push(queued);
      this.#signalReady();
    } else if (place === 'backoff') {
      this.#backingOff.push(queued);
      this.#armBackoff();
      if (!queued.isErrorBackoff) this.#signalReady();
    } else if (waitsForChange(place)) {
      for (const name of queued.refusedBy.size > 0 ? queued.refusedBy : ['']) {
        const waiting = this.#waitingOn.get(name) ?? new Set();
        waiting.add(queued);
        this.#waitingOn.set(name, waiting);
      }
    }
  }

  #stopWaiting(queued: QueuedPod): void {
    for (const [name, waiting] of this.#waitingOn)
      if (waiting.delete(queued) && waiting.size === 0) this.#waitingOn.delete(name);
  }

  /** When nothing else waits, a pod may be tried before its back-off is over. */
  #popEarly(): QueuedPod | undefined {
    const first = this.#backingOff.peek();
    if (!first || first.isErrorBackoff) return undefined;
    this.#backingOff.pop();
    this.arrivals.count('active', 'PopFromBackoffQ');
    return first;
  }

  #hasReady(): boolean {
    return this.#active.peek() !== undefined || this.#backingOff.peek()?.isErrorBackoff === false;
  }

  #signalReady(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #armBackoff(): void {
    const first = this.#backingOff.peek();
    if (!first || this.#closed) return;
    const dueMs = first.backoffUntilMs;
    if (this.#backoffTimer && this.#backoffTimer.dueMs <= dueMs) return;
    this.#backoffTimer?.timer.cancel();
    const timer = this.#clock.after(dueMs - this.#clock.monotonic(), () => {
      this.#backoffTimer = undefined;
      this.#releaseDue();
    });
    this.#backoffTimer = { dueMs, timer };
  }

  #releaseDue(): void {
    const nowMs = this.#clock.monotonic();
    for (;;) {
      const first = this.#backingOff.peek();
      if (!first || first.backoffUntilMs > nowMs) break;
      this.#backingOff.pop();
      this.#activate(first, 'BackoffComplete');
    }
    this.#armBackoff();
  }

  #armFlush(): void {
    if (this.#flushTimer || this.#closed) return;
    this.#flushTimer = this.#clock.after(flushEveryMs, () => {
      this.#flushTimer = undefined;
      const sinceMs = this.#clock.monotonic() - unschedulableMaxMs;
      for (const waiting of [...this.#waitingOn.values()])
        for (const queued of [...waiting])
          if (queued.place === 'unschedulable' && queued.unschedulableSinceMs < sinceMs)
            this.#retry(queued, 'UnschedulableTimeout');
      if (this.#waitingOn.size > 0) this.#armFlush();
    });
  }
}

function isBefore(left: QueuedPod, right: QueuedPod): boolean {
  if (left.info.priority !== right.info.priority) return left.info.priority > right.info.priority;
  return left.sequence < right.sequence;
}

/** The plugins that refused the pod, or keep it out of the queue, decide which changes are worth another attempt. */
function waitsForChange(place: Place): boolean {
  return place === 'unschedulable' || place === 'gated';
}

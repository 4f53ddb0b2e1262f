/**
 * Pods waiting for a node: those to try now, those backing off after a failure, and those that wait for a change that
 * could help them. The plugins that refused a pod declare what could help it.
 */
import type { Pod } from '../api/resources.gen.ts';
import { backoffDelayMs } from '../base/async/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { Heap } from '../base/collections/heap.ts';
import { AwaitedVictims, type VictimState } from './awaited-victims.ts';
import type { ClusterEvent } from './framework/plugin.ts';
import { asksTheSame, createPodInfo, type PodInfo } from './framework/pod-info.ts';
import type { Profile } from './framework/profile.ts';
import { type ArrivalCause, QueueArrivals } from './queue-arrivals.ts';

export type Place = 'active' | 'backoff' | 'unschedulable' | 'gated' | 'preempting' | 'inFlight';

const places: readonly Place[] = ['active', 'backoff', 'unschedulable', 'gated', 'preempting', 'inFlight'];

export interface QueuedPod {
  info: PodInfo;
  place: Place;
  readonly profile: Profile;
  /** Order of arrival among pods of equal priority. */
  readonly sequence: number;
  attempts: number;
  /** When it was first tried, which scheduling gates may delay; like all times here, by the monotonic clock. */
  firstTriedMs: number;
  /** Plugins that refused it last; empty: no plugin was asked, or an error occurred. */
  refusedBy: ReadonlySet<string>;
  /** After an error the full back-off applies; after a refusal a pod may be tried early when nothing else waits. */
  isErrorBackoff: boolean;
  backoffUntilMs: number;
  unschedulableSinceMs: number;
  /** The last write of its status; the next one follows it. */
  statusWrite: Promise<unknown>;
  /** Changes with every move: entries of heaps from earlier places are stale. */
  ticket: number;
}

export interface SchedulingQueueOptions {
  clock: Clock;
  /** By scheduler name; other pods are not ours. */
  profiles: ReadonlyMap<string, Profile>;
  podInitialBackoffMs?: number;
  podMaxBackoffMs?: number;
}

interface Entry {
  queued: QueuedPod;
  ticket: number;
}

/** Upstream's safety net: a pod that no event has helped is tried again after this. */
const unschedulableMaxMs = 5 * 60_000;
const flushEveryMs = 30_000;

export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #profiles: ReadonlyMap<string, Profile>;
  readonly #backoff: { firstMs: number; maxMs: number };
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active: Heap<Entry>;
  readonly #backingOff: Heap<Entry>;
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
    this.#active = new Heap((left, right) => isBefore(left.queued, right.queued));
    this.#backingOff = new Heap((left, right) => left.queued.backoffUntilMs < right.queued.backoffUntilMs);
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
    const before = queued.info.pod;
    if (before.spec === pod.spec && !pod.spec?.resourceClaims && asksTheSame(before, pod)) {
      queued.info.pod = pod;
      return;
    }
    queued.info = createPodInfo(pod);
    if (queued.place === 'gated') this.#activate(queued, 'UnschedulablePodUpdate');
    if (queued.place !== 'unschedulable') return;
    const helpful = changesOfTarget(before, pod).find((change) =>
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
    const queued = this.#popFrom(this.#active) ?? this.#popEarly();
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
    const entry = { queued, ticket: ++queued.ticket };
    if (place === 'active') {
      this.#active.push(entry);
      this.#signalReady();
    } else if (place === 'backoff') {
      this.#backingOff.push(entry);
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

  #popFrom(heap: Heap<Entry>): QueuedPod | undefined {
    for (let entry = heap.pop(); entry; entry = heap.pop())
      if (entry.ticket === entry.queued.ticket) return entry.queued;
    return undefined;
  }

  /** When nothing else waits, a pod may be tried before its back-off is over. */
  #popEarly(): QueuedPod | undefined {
    this.#dropStale(this.#backingOff);
    const first = this.#backingOff.peek();
    if (!first || first.queued.isErrorBackoff) return undefined;
    this.#backingOff.pop();
    this.arrivals.count('active', 'PopFromBackoffQ');
    return first.queued;
  }

  #hasReady(): boolean {
    this.#dropStale(this.#active);
    this.#dropStale(this.#backingOff);
    return this.#active.size > 0 || this.#backingOff.peek()?.queued.isErrorBackoff === false;
  }

  #dropStale(heap: Heap<Entry>): void {
    for (let entry = heap.peek(); entry && entry.ticket !== entry.queued.ticket; entry = heap.peek())
      heap.pop();
  }

  #signalReady(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #armBackoff(): void {
    this.#dropStale(this.#backingOff);
    const first = this.#backingOff.peek();
    if (!first || this.#closed) return;
    const dueMs = first.queued.backoffUntilMs;
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
      this.#dropStale(this.#backingOff);
      const first = this.#backingOff.peek();
      if (!first || first.queued.backoffUntilMs > nowMs) break;
      this.#backingOff.pop();
      this.#activate(first.queued, 'BackoffComplete');
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

/** Whether the plugin that refused the pod considers the change helpful. */
function helps(queued: QueuedPod, pluginName: string, event: ClusterEvent): boolean {
  // Without a plugin to ask, there were no nodes at all.
  if (pluginName === '') return event.resource === 'Node' && event.change === 'add';
  for (const rule of queued.profile.retryRules.get(pluginName) ?? [])
    if (rule.resource === event.resource && rule.changes.includes(event.change))
      if (rule.helps?.(queued.info, event) ?? true) return true;
  return false;
}

/** What an update of a waiting pod may change about its chances. */
function changesOfTarget(old: Pod, current: Pod): ClusterEvent[] {
  const differs = (pick: (pod: Pod) => unknown) =>
    JSON.stringify(pick(old)) !== JSON.stringify(pick(current));
  const events: ClusterEvent[] = [];
  const add = (change: ClusterEvent['change']) =>
    events.push({ resource: 'TargetPod', change, old, current });
  if (differs((pod) => pod.metadata.labels)) add('labels');
  if (differs((pod) => pod.spec?.tolerations)) add('tolerations');
  if (differs((pod) => pod.spec?.schedulingGates)) add('schedulingGates');
  if (differs((pod) => pod.status?.resourceClaimStatuses)) add('resourceClaims');
  if (differs((pod) => pod.spec?.containers?.map(({ resources }) => resources))) add('scaleDown');
  return events;
}

/** The plugins that refused the pod, or keep it out of the queue, decide which changes are worth another attempt. */
function waitsForChange(place: Place): boolean {
  return place === 'unschedulable' || place === 'gated';
}

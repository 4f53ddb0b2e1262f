/** Takes pods without a node, decides where they go, and binds them. */
import { Pod } from '../api/resources.gen.ts';
import { ConcurrencyLimit } from '../base/async/concurrency-limit.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { messageOf } from '../base/text/error-message.ts';
import type { Client } from '../client/client.ts';
import { type EventRecorder, targetOf } from '../client/events/event-recorder.ts';
import type { InformerFactory } from '../client/informers/informer.ts';
import { runBindingCycle } from './binding-cycle.ts';
import { SchedulerCache } from './cache.ts';
import { buildProfiles, defaultConfiguration, type SchedulerConfiguration } from './configuration.ts';
import { followCluster } from './follow-cluster.ts';
import { type Diagnosis, describeDiagnosis } from './framework/diagnosis.ts';
import type { PostFilterOutcome } from './framework/plugin.ts';
import type { PodInfo } from './framework/pod-info.ts';
import { type AttemptResult, createSchedulerMetrics, type SchedulerMetrics } from './metrics.ts';
import { type PodStatusOptions, withdrawNomination, writePodStatus } from './pod-status.ts';
import { evictVictims } from './preemption.ts';
import type { QueuedPod } from './queue/queued-pod.ts';
import { SchedulingQueue } from './queue.ts';
import { type Decision, schedule } from './schedule.ts';

export interface SchedulerOptions {
  client: Client;
  informers: InformerFactory;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** The component of events is the name of the pod's profile. */
  recorder: EventRecorder;
  configuration?: SchedulerConfiguration;
}

/** After running this long, the loop yields to the rest of the process. */
const sliceMs = 5;
/** The largest number of concurrent bindings. */
const bindingsMax = 1_000;
/** The same for writes about pods that were not placed: each holds several objects in memory. */
const writesMax = 100;

/** Resolves when the signal aborts and everything under way has ended. */
export async function startScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  await new Scheduler(options, signal).run();
}

class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #signal: AbortSignal;
  readonly #cache = new SchedulerCache();
  readonly #queue: SchedulingQueue;
  readonly #metrics: SchedulerMetrics;
  readonly #configuration: SchedulerConfiguration;
  readonly #bindings = new Set<Promise<void>>();
  #bindingEnded = Promise.withResolvers<void>();
  readonly #writes = new ConcurrencyLimit(writesMax);
  /** The node on which the next pod is tried first. */
  #nextStart = 0;

  constructor(options: SchedulerOptions, signal: AbortSignal) {
    const { clock, configuration = defaultConfiguration } = options;
    this.#options = options;
    this.#signal = signal;
    this.#configuration = configuration;
    const profiles = buildProfiles(configuration, options);
    this.#queue = new SchedulingQueue({ clock, profiles, ...backoffOf(configuration) });
    this.#metrics = createSchedulerMetrics(options.metrics, {
      queue: this.#queue,
      cache: this.#cache,
      clock,
    });
  }

  async run(): Promise<void> {
    const { informers } = this.#options;
    const stopped = Promise.withResolvers<void>();
    const stop = () => {
      this.#queue.close();
      stopped.resolve();
    };
    if (this.#signal.aborted) stop();
    else this.#signal.addEventListener('abort', stop, { once: true });
    followCluster({ informers, cache: this.#cache, queue: this.#queue });
    await Promise.race([informers.synced(), stopped.promise]);
    await this.#scheduleUntilAborted();
    await Promise.all(this.#bindings);
  }

  async #scheduleUntilAborted(): Promise<void> {
    const { clock } = this.#options;
    let sliceEndMs = clock.monotonic() + sliceMs;
    while (!this.#signal.aborted) {
      const queued = this.#queue.pop();
      if (!queued) {
        await this.#queue.ready();
        sliceEndMs = clock.monotonic() + sliceMs;
        continue;
      }
      this.#scheduleOne(queued);
      if (this.#bindings.size >= bindingsMax) {
        this.#bindingEnded = Promise.withResolvers();
        await this.#bindingEnded.promise;
      }
      if (clock.monotonic() > sliceEndMs) {
        await letOthersRun();
        sliceEndMs = clock.monotonic() + sliceMs;
      }
    }
  }

  #scheduleOne(queued: QueuedPod): void {
    const { info } = queued;
    const isLeaving = info.pod.metadata.deletionTimestamp !== undefined;
    if (isLeaving) this.#failureEvent(queued, `skip schedule deleting pod: ${info.key}`);
    if (isLeaving || this.#cache.placedPod(info.uid)) {
      this.#queue.remove(info.uid);
      return;
    }
    const decision = this.#decide(queued);
    if (!decision) return;
    if (decision.kind === 'noNodes') {
      this.#refused(queued, 'no nodes available to schedule pods', new Set());
      return;
    }
    this.#nextStart = decision.nextStart;
    if (decision.kind === 'placed') this.#bind(queued, decision);
    else this.#unplaced(queued, decision.diagnosis, decision.postFilter);
  }

  /** Undefined when a plugin failed. */
  #decide(queued: QueuedPod): Decision | undefined {
    const { clock, random } = this.#options;
    const { info, profile } = queued;
    const { percentageOfNodesToScore = 0 } = this.#configuration;
    const startedMs = clock.monotonic();
    const measure = (result: AttemptResult) =>
      this.#metrics.attempt(result, profile.schedulerName, clock.monotonic() - startedMs);
    try {
      const timed = this.#metrics.timerOf(profile.schedulerName);
      const options = { profile, random, start: this.#nextStart, percentageOfNodesToScore, timed };
      const decision = schedule(this.#cache, info, options);
      measure(decision.kind === 'placed' ? 'scheduled' : 'unschedulable');
      return decision;
    } catch (error) {
      measure('error');
      this.#failed(queued, error);
      return undefined;
    }
  }

  #bind(queued: QueuedPod, { node, states }: Decision & { kind: 'placed' }): void {
    const cache = this.#cache;
    cache.assume(queued.info, node.name);
    const cycle = runBindingCycle({
      ...this.#options,
      queued,
      writes: this.#writes,
      node,
      states,
      cache,
      queue: this.#queue,
      recorder: this.#recorderOf(queued),
      metrics: this.#metrics,
      signal: this.#signal,
    })
      .then((outcome) => {
        if (outcome.kind === 'bound' || this.#signal.aborted) return;
        if (outcome.kind === 'failed') this.#failed(queued, outcome.error);
        else this.#refused(queued, outcome.rejection.reasons.join(', '), new Set([outcome.plugin]));
      })
      .finally(() => {
        this.#bindings.delete(cycle);
        this.#bindingEnded.resolve();
      });
    this.#bindings.add(cycle);
  }

  #unplaced(queued: QueuedPod, diagnosis: Diagnosis, postFilter: PostFilterOutcome | undefined): void {
    // Before the nomination, which reserves room on its node: the message counts resources when it is composed.
    const message = describeDiagnosis(diagnosis, postFilter?.message);
    const { nominatedNode, victims = [] } = postFilter ?? {};
    if (postFilter) this.#metrics.preempted(victims.length);
    this.#report(queued, { reason: 'Unschedulable', message, nominatedNode });
    if (postFilter?.giveBack) this.#giveBack(queued, postFilter);
    if (nominatedNode === undefined || victims.length === 0) {
      this.#queue.returnUnschedulable(queued, diagnosis.plugins);
      return;
    }
    this.#queue.returnPreempting(queued, victims, diagnosis.plugins);
    this.#withdrawLowerNominations(queued.info, nominatedNode);
    void this.#writes.run(() =>
      evictVictims({
        ...this.#options,
        recorder: this.#recorderOf(queued),
        preemptor: queued.info,
        victims,
        nodeName: nominatedNode,
        signal: this.#signal,
        onSettled: ({ uid }, state) => this.#queue.settleVictim(uid, state),
      }),
    );
  }

  /** The room that was made for less important pods goes to the preemptor: they look for another place. */
  #withdrawLowerNominations({ priority }: PodInfo, nodeName: string): void {
    const lower = this.#cache.nominatedTo(nodeName).filter((other) => other.priority < priority);
    for (const other of lower) {
      this.#cache.nominate(other, '');
      const queued = this.#queue.get(other.uid);
      if (queued)
        withdrawNomination({ ...this.#options, queued, writes: this.#writes, signal: this.#signal });
      this.#queue.moveOn({ resource: 'AssignedPod', change: 'delete', old: other.pod });
    }
  }

  #giveBack({ info }: QueuedPod, { giveBack }: PostFilterOutcome): void {
    void this.#writes.run(async () => {
      try {
        await giveBack!(this.#signal);
      } catch (error) {
        if (!this.#signal.aborted)
          this.#options.logger.warn('what helps a pod nowhere could not be given back', {
            pod: info.key,
            error,
          });
      }
    });
  }

  #refused(queued: QueuedPod, message: string, plugins: ReadonlySet<string>): void {
    this.#report(queued, { reason: 'Unschedulable', message, nominatedNode: '' });
    this.#queue.returnUnschedulable(queued, plugins);
  }

  #failed(queued: QueuedPod, error: unknown): void {
    this.#options.logger.warn('a pod could not be scheduled', { pod: queued.info.key, error });
    const message = messageOf(error);
    this.#report(queued, { reason: 'SchedulerError', message, nominatedNode: '' });
    this.#queue.returnFailed(queued);
  }

  #recorderOf({ profile }: QueuedPod): EventRecorder {
    return this.#options.recorder.for(profile.schedulerName);
  }

  #failureEvent(queued: QueuedPod, why: string): void {
    this.#recorderOf(queued).event(targetOf(Pod, queued.info.pod), 'Warning', 'FailedScheduling', why);
  }

  /** In an event and in the pod's condition; a nomination counts from now on, before the server has it. */
  #report(queued: QueuedPod, why: Pick<PodStatusOptions, 'reason' | 'message' | 'nominatedNode'>): void {
    if (why.nominatedNode !== undefined) this.#cache.nominate(queued.info, why.nominatedNode);
    this.#failureEvent(queued, why.message);
    writePodStatus({ ...this.#options, ...why, queued, writes: this.#writes, signal: this.#signal });
  }
}

function backoffOf({ podInitialBackoffSeconds, podMaxBackoffSeconds }: SchedulerConfiguration) {
  return {
    ...(podInitialBackoffSeconds !== undefined && { podInitialBackoffMs: podInitialBackoffSeconds * 1000 }),
    ...(podMaxBackoffSeconds !== undefined && { podMaxBackoffMs: podMaxBackoffSeconds * 1000 }),
  };
}

function letOthersRun(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

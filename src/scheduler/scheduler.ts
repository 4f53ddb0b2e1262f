/** Takes pods without a node, decides where they go, and tells the server. */
import { Pod } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import { Lanes } from '../base/lanes.ts';
import type { Logger } from '../base/logger.ts';
import type { MetricsRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import { type EventRecorder, targetOf } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import { runBindingCycle } from './binding-cycle.ts';
import { SchedulerCache } from './cache.ts';
import { buildProfiles, defaultConfiguration, type SchedulerConfiguration } from './configuration.ts';
import { followCluster } from './follow-cluster.ts';
import { type Diagnosis, describeDiagnosis } from './framework/diagnosis.ts';
import type { PostFilterOutcome } from './framework/plugin.ts';
import { createSchedulerMetrics } from './metrics.ts';
import { writePodStatus } from './pod-status.ts';
import { evictVictims } from './preemption.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';
import { type Decision, schedule } from './schedule.ts';

export interface SchedulerOptions {
  client: Client;
  informers: InformerFactory;
  clock: Clock;
  random: Random;
  logger: Logger;
  metrics: MetricsRegistry;
  /** Events of component `default-scheduler`. */
  recorder: EventRecorder;
  configuration?: SchedulerConfiguration;
}

/** After this long at a stretch the loop lets others in the process run. */
const sliceMs = 5;
/** More bindings than this are not under way at once. */
const bindingsMax = 1_000;
/** Nor more writes for pods that found no place: each holds several objects, which others wait for. */
const writesMax = 100;

/** Resolves when the signal aborts and everything under way has ended. */
export async function startScheduler(options: SchedulerOptions, signal: AbortSignal): Promise<void> {
  const { client, informers, clock, random, logger, recorder } = options;
  const configuration = options.configuration ?? defaultConfiguration;
  const profiles = buildProfiles(configuration, { client, informers, random, clock });
  const cache = new SchedulerCache();
  const queue = new SchedulingQueue({
    clock,
    profiles,
    ...backoffOf(configuration),
  });
  const metrics = createSchedulerMetrics(options.metrics, queue, cache);
  const bindings = new Set<Promise<void>>();
  let bindingEnded = Promise.withResolvers<void>();
  const writes = new Lanes(writesMax);
  let start = 0;

  const stopped = Promise.withResolvers<void>();
  const stop = () => {
    queue.close();
    stopped.resolve();
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  followCluster({ informers, cache, queue });
  await Promise.race([informers.synced(), stopped.promise]);

  let sliceEndMs = clock.monotonic() + sliceMs;
  while (!signal.aborted) {
    const queued = queue.pop();
    if (!queued) {
      await queue.ready();
      sliceEndMs = clock.monotonic() + sliceMs;
      continue;
    }
    tryOne(queued);
    if (bindings.size >= bindingsMax) {
      bindingEnded = Promise.withResolvers();
      await bindingEnded.promise;
    }
    if (clock.monotonic() > sliceEndMs) {
      await letOthersRun();
      sliceEndMs = clock.monotonic() + sliceMs;
    }
  }
  await Promise.all(bindings);

  function tryOne(queued: QueuedPod): void {
    const { info, profile } = queued;
    if (info.pod.metadata.deletionTimestamp || cache.placedPod(info.uid)) {
      queue.remove(info.uid);
      return;
    }
    const startedMs = clock.monotonic();
    let decision: Decision;
    try {
      const { percentageOfNodesToScore = 0 } = configuration;
      decision = schedule(cache, info, { profile, random, start, percentageOfNodesToScore });
    } catch (error) {
      metrics.attempt('error', profile.schedulerName, clock.monotonic() - startedMs);
      failed(queued, error);
      return;
    }
    metrics.attempt(
      decision.kind === 'placed' ? 'scheduled' : 'unschedulable',
      profile.schedulerName,
      clock.monotonic() - startedMs,
    );
    if (decision.kind === 'noNodes') {
      refused(queued, 'no nodes available to schedule pods', new Set());
      return;
    }
    start = decision.nextStart;
    if (decision.kind === 'placed') bind(queued, decision);
    else unplaced(queued, decision.diagnosis, decision.postFilter);
  }

  function bind(queued: QueuedPod, { node, states }: Decision & { kind: 'placed' }): void {
    cache.assume(queued.info, node.name);
    const cycle = runBindingCycle({ queued, node, states, cache, queue, recorder, clock, metrics, signal })
      .then((outcome) => {
        if (outcome.kind === 'bound' || signal.aborted) return;
        if (outcome.kind === 'failed') failed(queued, outcome.error);
        else refused(queued, outcome.rejection.reasons.join(', '), new Set([outcome.plugin]));
      })
      .finally(() => {
        bindings.delete(cycle);
        bindingEnded.resolve();
      });
    bindings.add(cycle);
  }

  function unplaced(
    queued: QueuedPod,
    diagnosis: Diagnosis,
    postFilter: PostFilterOutcome | undefined,
  ): void {
    const message = describeDiagnosis(diagnosis, postFilter?.message);
    const { nominatedNode, victims = [] } = postFilter ?? {};
    if (postFilter) metrics.preempted(victims.length);
    if (nominatedNode !== undefined) cache.nominate(queued.info, nominatedNode);
    const isPreempting = nominatedNode !== undefined && victims.length > 0;
    tell(queued, 'Unschedulable', message, nominatedNode);
    if (!isPreempting) {
      queue.returnUnschedulable(queued, diagnosis.plugins);
      return;
    }
    queue.returnPreempting(queued, victims, diagnosis.plugins);
    void writes.run(() =>
      evictVictims({
        preemptor: queued.info,
        victims,
        nodeName: nominatedNode,
        client,
        clock,
        recorder,
        logger,
        signal,
        onFailure: ({ uid }) => queue.settleVictim(uid, 'gone'),
      }),
    );
  }

  function refused(queued: QueuedPod, message: string, plugins: ReadonlySet<string>): void {
    tell(queued, 'Unschedulable', message, undefined);
    queue.returnUnschedulable(queued, plugins);
  }

  function failed(queued: QueuedPod, error: unknown): void {
    logger.warn('a pod could not be scheduled', { pod: queued.info.key, error });
    tell(queued, 'SchedulerError', error instanceof Error ? error.message : String(error), undefined);
    queue.returnFailed(queued);
  }

  /** In an event and in the pod's condition. */
  function tell(
    queued: QueuedPod,
    reason: 'Unschedulable' | 'SchedulerError',
    message: string,
    nominatedNode: string | undefined,
  ): void {
    recorder.event(targetOf(Pod, queued.info.pod), 'Warning', 'FailedScheduling', message);
    writePodStatus({ queued, reason, message, nominatedNode, client, writes, clock, logger, signal });
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

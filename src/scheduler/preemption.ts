/** Evicts the victims of a preemption. */
import { disruptionTarget } from '../api/core/disruption-target.ts';
import { Pod } from '../api/resources.gen.ts';
import { formatTime } from '../api/schema/time.ts';
import { isNotFound } from '../api/status.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Client } from '../client/client.ts';
import { type EventRecorder, targetOf } from '../client/events/event-recorder.ts';
import type { PodInfo } from './framework/pod-info.ts';
import type { VictimState } from './queue/awaited-victims.ts';

export interface EvictionOptions {
  preemptor: PodInfo;
  victims: readonly PodInfo[];
  nodeName: string;
  client: Client;
  clock: Clock;
  recorder: EventRecorder;
  logger: Logger;
  signal: AbortSignal;
  /** Called for a victim that is already gone or terminating, or could not be evicted. */
  onSettled(victim: PodInfo, state: VictimState): void;
}

/** Never rejects: the preemptor's next attempt finds again what could not be evicted. */
export async function evictVictims(options: EvictionOptions): Promise<void> {
  const { victims, logger, signal, onSettled } = options;
  await Promise.all(
    victims.map(async (victim) => {
      // It is going already: as upstream, nothing is asked of the server.
      if (victim.pod.metadata.deletionTimestamp !== undefined) return onSettled(victim, 'going');
      try {
        await evict(victim, options);
      } catch (error) {
        if (signal.aborted) return;
        const isGone = isNotFound(error);
        onSettled(victim, isGone ? 'gone' : 'stays');
        if (isGone) return;
        logger.warn('a pod could not be preempted', { pod: victim.key, error });
      }
    }),
  );
}

async function evict(victim: PodInfo, options: EvictionOptions): Promise<void> {
  const { preemptor, nodeName, client, clock, recorder, signal } = options;
  const { name, namespace, uid } = victim.pod.metadata;
  const at = { name, ...(namespace && { namespace }) };
  const schedulerName = preemptor.pod.spec?.schedulerName ?? 'default-scheduler';
  const condition = disruptionTarget(
    victim.pod,
    {
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
    },
    formatTime(clock.now()),
  );
  const patch = { metadata: { uid }, status: { conditions: [condition] } };
  await client.patch(Pod, at, patch, { type: 'strategic', subresource: 'status', signal });
  await client.delete(Pod, at, { preconditions: { uid }, signal });
  const message = `Preempted by pod ${preemptor.uid} on node ${nodeName}`;
  recorder.event(targetOf(Pod, victim.pod), 'Normal', 'Preempted', message);
}

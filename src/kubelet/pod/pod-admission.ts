/** The first stage of a pod: the node admits or refuses it. */
import { volumeObjectsOf } from '../volumes/projected/volume-objects.ts';
import { podEvents } from './pod-events.ts';
import { adoptProbes } from './pod-probes.ts';
import type { PodRecord } from './pod-record.ts';
import { isTerminalPhase } from './status/pod-phase.ts';
import type { PodVerdict } from './status/pod-status.ts';

/** True: it may run. False: it is to end, or has already ended and only waits for its deletion. */
export async function admitPod(record: PodRecord): Promise<boolean> {
  const { context, pod, end } = record;
  if (isTerminalPhase(pod.status?.phase)) end.hasEnded = true;
  if (end.isDue(pod)) return false;
  // A pod that already runs here has been admitted before.
  const isAdopted = record.observed.sandboxes.length > 0;
  if (isAdopted) adoptProbes(context, pod, record.observed);
  else if (await isRefused(record)) return false;
  context.objects.use(record.uid, volumeObjectsOf(record.pod));
  if (!isAdopted) {
    record.seenMs = context.clock.monotonic();
    record.startLatency.await();
  }
  return true;
}

async function isRefused({ context, pod, end }: PodRecord): Promise<boolean> {
  const refusal = await context.admit(pod);
  if (!refusal) return false;
  refuse({ context, pod, end }, refusal);
  return true;
}

export function refuse(
  { context, pod, end }: Pick<PodRecord, 'context' | 'pod' | 'end'>,
  { reason, message }: PodVerdict,
): void {
  podEvents(context.recorder, pod).warning(reason, message);
  end.fail({ reason, message: `Pod was rejected: ${message}` });
}

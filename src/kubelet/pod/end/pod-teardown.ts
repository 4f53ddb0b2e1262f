/**
 * The last stages of a pod: everything ends and the node gets its resources back; later its object and its last traces
 * are removed.
 */
import { messageOf } from '../../../base/text/error-message.ts';
import { podEvents } from '../pod-events.ts';
import type { PodRecord } from '../pod-record.ts';
import { deletePodObject, releasePod } from './pod-release.ts';
import { stopAllContainers } from './pod-termination.ts';

/**
 * For how long the network of an ended pod waits for pods that start. To take it away costs as much processor time as to
 * start a container; in a rolling update the new pods are ready the sooner.
 */
const startsFirstMs = 2000;

/** Resolves when nothing of it runs or holds resources of the node. */
export async function tearDownPod(record: PodRecord): Promise<void> {
  const { context, end, uid } = record;
  const { probes } = context;
  end.begin();
  probes.stopRestartingProbes(uid);
  await killPod(record);
  // Once the pod is seen to have ended, its devices may go to the next one: their drivers must know before.
  await context.claims.unprepare(uid);
  end.hasEnded = true;
  if (end.verdict?.reason === 'DeadlineExceeded')
    podEvents(context.recorder, record.pod).normal(end.verdict.reason, end.verdict.message);
  record.report();
  await release(record);
}

/** A failure is reported in an event, which explains why the pod does not end; the caller retries. */
async function killPod(record: PodRecord): Promise<void> {
  const { context, end, view, uid } = record;
  try {
    if (view.hasRunning) {
      if (end.verdict) record.report();
      const graceSeconds = end.graceSeconds(record.pod);
      await stopAllContainers(context, record.pod, record.observed, { graceSeconds, cuts: end.cuts });
    }
    context.probes.stopPod(uid);
    await context.podStarts.over(startsFirstMs, context.signal);
    await stopSandboxes(record);
  } catch (error) {
    if (!context.signal.aborted)
      podEvents(context.recorder, record.pod).warning(
        'FailedKillPod',
        `error killing pod: ${messageOf(error)}`,
      );
    throw error;
  }
}

async function stopSandboxes(record: PodRecord): Promise<void> {
  const { runtime } = record.context;
  const { sandboxes } = record.observed;
  await Promise.all([...sandboxes.map(({ id }) => runtime.stopPodSandbox(id)), record.observeAnew()]);
  // A container without a grace period ends with its sandbox.
  if (record.view.hasRunning) await record.observeAnew();
}

async function release({ context, pod, uid }: PodRecord): Promise<void> {
  try {
    await releasePod(context, uid);
  } catch (error) {
    const { message } = error as Error;
    podEvents(context.recorder, pod).warning('FailedUnMount', message);
    throw error;
  }
}

/** Completes the deletion of an ended pod's object. False: it is still wanted, or a finalizer keeps it. */
export async function letGoOfObject(record: PodRecord): Promise<boolean> {
  if (record.end.isRemoved) return true;
  if (record.isStatic || !record.pod.metadata.deletionTimestamp) return false;
  await record.context.statuses.flushed(record.uid);
  await deletePodObject(record.context, record.pod);
  // The informer shows when the finalizers are gone.
  return !record.pod.metadata.finalizers?.length;
}

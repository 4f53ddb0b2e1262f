/** The last stages of a pod: all of it ends and the node has back what it held; later its object and its last traces go. */
import { podEvents } from './pod-events.ts';
import type { PodRecord } from './pod-record.ts';
import { deletePodObject, releasePod } from './pod-release.ts';
import { stopAllContainers } from './pod-termination.ts';

/** Resolves when nothing of it runs or holds anything of the node. */
export async function tearDownPod(record: PodRecord): Promise<void> {
  const { context, end, view, uid } = record;
  const { probes } = context;
  end.begin();
  probes.stopRestartingProbes(uid);
  if (view.hasRunning) {
    if (end.verdict) record.report();
    const graceSeconds = end.graceSeconds(record.pod);
    await stopAllContainers(context, record.pod, record.observed, { graceSeconds, hurry: end.hurry });
  }
  probes.stopPod(uid);
  await stopSandboxes(record);
  // Who reads that the pod has ended may give its devices to the next: their drivers are to know before.
  await context.claims.unprepare(uid);
  end.hasEnded = true;
  if (end.verdict?.reason === 'DeadlineExceeded')
    podEvents(context.recorder, record.pod).normal(end.verdict.reason, end.verdict.message);
  record.report();
  await release(record);
}

async function stopSandboxes(record: PodRecord): Promise<void> {
  const { runtime } = record.context;
  const { sandboxes } = record.observed;
  await Promise.all([...sandboxes.map(({ id }) => runtime.stopPodSandbox(id)), record.observeAnew()]);
  // A container without a grace goes down with its sandbox.
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

/** Lets go of the object of a pod that is over. False: somebody still wants it, or a finalizer keeps it. */
export async function letGoOfObject(record: PodRecord): Promise<boolean> {
  if (record.end.isRemoved) return true;
  if (record.isStatic || !record.pod.metadata.deletionTimestamp) return false;
  await record.context.statuses.flushed(record.uid);
  await deletePodObject(record.context, record.pod);
  // The informer shows when the finalizers are gone.
  return !record.pod.metadata.finalizers?.length;
}

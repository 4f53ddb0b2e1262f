/** The phase of a pod, from what its containers have come to. Pure. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import {
  initRestartsAfterExit,
  restartingAllReason,
  restartsAfterExit,
} from '../../containers/restart-policy.ts';

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

interface Statuses {
  initContainerStatuses: readonly core.ContainerStatus[];
  containerStatuses: readonly core.ContainerStatus[];
}

/** Upstream's rules for the phase; `ended`: nothing will start again. */
export function computePhase(pod: Pod, statuses: Statuses, { ended }: { ended: boolean }): Phase {
  let pendingInit = 0;
  let failedInit = 0;
  let pendingSidecars = 0;
  for (const spec of pod.spec.initContainers ?? []) {
    const status = statuses.initContainerStatuses.find(({ name }) => name === spec.name);
    const lastExit = status?.state?.terminated ?? status?.lastState?.terminated;
    if (isSidecar(spec)) {
      if (!status?.started && !(status?.state?.waiting && status.lastState?.terminated)) pendingSidecars++;
    } else if (status?.state?.running || !lastExit) pendingInit++;
    else if (lastExit.exitCode !== 0) {
      if (ended || !willRestart(lastExit, () => initRestartsAfterExit(pod, spec, lastExit.exitCode)))
        return 'Failed';
      failedInit++;
    }
  }
  const counts = { running: 0, waiting: 0, stopped: 0, succeeded: 0, restarting: 0 };
  for (const spec of pod.spec.containers) {
    const status = statuses.containerStatuses.find(({ name }) => name === spec.name);
    const exit = status?.state?.terminated ?? (status?.state?.waiting && status.lastState?.terminated);
    if (status?.state?.running) counts.running++;
    else if (exit) {
      counts.stopped++;
      if (status?.state?.terminated && exit.exitCode === 0) counts.succeeded++;
      if (willRestart(exit, () => restartsAfterExit(pod, spec, exit.exitCode))) counts.restarting++;
    } else if (status?.state) counts.waiting++;
  }
  if (ended) {
    const initDone = pendingInit === 0 && failedInit === 0;
    const allSucceeded = counts.stopped === counts.succeeded && counts.stopped === pod.spec.containers.length;
    return initDone && allSucceeded ? 'Succeeded' : 'Failed';
  }
  const regularNeverRan = counts.running === 0 && counts.stopped === 0;
  if (pendingInit > 0 || failedInit > 0 || (pendingSidecars > 0 && regularNeverRan)) return 'Pending';
  if (counts.waiting > 0) return 'Pending';
  if (counts.running > 0) return 'Running';
  if (counts.stopped === 0) return 'Pending';
  if (counts.restarting > 0 || sidecarsRun(pod, statuses)) return 'Running';
  return counts.stopped === counts.succeeded ? 'Succeeded' : 'Failed';
}

/** A container that was removed for a restart of the whole pod restarts whatever its policy says. */
function willRestart(exit: core.ContainerStateTerminated, byPolicy: () => boolean): boolean {
  return exit.reason === restartingAllReason || byPolicy();
}

/** While sidecars still run, the pod has not ended although its containers have. */
function sidecarsRun(pod: Pod, statuses: Statuses): boolean {
  return (pod.spec.initContainers ?? []).some(
    (spec) =>
      isSidecar(spec) &&
      statuses.initContainerStatuses.find(({ name }) => name === spec.name)?.state?.running !== undefined,
  );
}

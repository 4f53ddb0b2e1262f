/** Removes old containers and sandboxes of a pod that newer attempts have replaced. */
import type { Pod } from '../../../api/resources.gen.ts';
import type { KubeletContext } from '../../context.ts';
import { isNotFound } from '../../cri/runtime-error.ts';
import type { ObservedContainer, ObservedPod } from '../pod-observation.ts';

/** Ended containers kept per name besides the newest, for `logs --previous`; upstream's figure. */
const keptEndedPerName = 1;

/** Returns what should go: ended containers beyond those to keep, then old sandboxes without containers. */
function planLeftovers(observed: ObservedPod): {
  containers: ObservedContainer[];
  sandboxIds: string[];
} {
  const seen = new Map<string, number>();
  const containers = observed.containers.filter((container) => {
    const count = (seen.get(container.name) ?? 0) + 1;
    seen.set(container.name, count);
    return container.state !== 'running' && count > 1 + keptEndedPerName;
  });
  const going = new Set(containers.map(({ id }) => id));
  const sandboxIds = observed.sandboxes
    .slice(1)
    .filter(
      ({ id, ready }) => !ready && !observed.containers.some((c) => c.sandboxId === id && !going.has(c.id)),
    )
    .map(({ id }) => id);
  return { containers, sandboxIds };
}

/**
 * Removes every ended container that will not be restarted; for an ended pod, all of them. Returns how many there were.
 */
export async function removeEnded(
  { runtime, logger }: KubeletContext,
  observed: ObservedPod,
  { isOver }: { isOver: boolean },
): Promise<number> {
  const newest = new Set(isOver ? [] : newestByName(observed));
  const ended = observed.containers.filter(({ id, state }) => state === 'exited' && !newest.has(id));
  let removed = 0;
  for (const { id } of ended) {
    try {
      // An ended pod is not observed again: the container may be gone since.
      await runtime.containerStatus(id);
      await runtime.removeContainer(id);
      removed++;
    } catch (error) {
      if (!isNotFound(error))
        logger.warn('an ended container could not be removed', { container: id, error });
    }
  }
  return removed;
}

function newestByName({ containers }: ObservedPod): string[] {
  return containers
    .filter(({ id, name }) => containers.find((candidate) => candidate.name === name)?.id === id)
    .map(({ id }) => id);
}

export async function removeLeftovers(
  context: KubeletContext,
  pod: Pod,
  observed: ObservedPod,
): Promise<void> {
  const { containers, sandboxIds } = planLeftovers(observed);
  const { runtime, machine, logger } = context;
  try {
    for (const container of containers) {
      await runtime.removeContainer(container.id);
      if (container.logPath) await machine.files.removeContainerLog(container.logPath);
    }
    for (const id of sandboxIds) await runtime.removePodSandbox(id);
  } catch (error) {
    logger.warn('what an old attempt left could not be removed', { pod: pod.metadata.name, error });
  }
}

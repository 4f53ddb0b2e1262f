/** Control groups of pods whose creation, updates and removal are timed, under upstream's metric names. */
import type { Clock } from '../../base/clock.ts';
import type { PodCgroups } from '../machine.ts';

export type ObserveCgroups = (operation: 'create' | 'update' | 'destroy', seconds: number) => void;

export function measuredCgroups(
  cgroups: PodCgroups,
  clock: Pick<Clock, 'monotonic'>,
  observe: ObserveCgroups,
): PodCgroups {
  /** By pod uid. */
  const made = new Set<string>();
  async function timed<T>(operation: Parameters<ObserveCgroups>[0], work: () => Promise<T>): Promise<T> {
    const startMs = clock.monotonic();
    try {
      return await work();
    } finally {
      observe(operation, (clock.monotonic() - startMs) / 1000);
    }
  }
  return {
    prepare: (share) => timed('create', () => cgroups.prepare(share)),
    async apply(pod, before) {
      const { uid } = pod.metadata;
      const parent = await timed(made.has(uid) ? 'update' : 'create', () => cgroups.apply(pod, before));
      made.add(uid);
      return parent;
    },
    async remove(podUid) {
      await timed('destroy', () => cgroups.remove(podUid));
      made.delete(podUid);
    },
    list: () => cgroups.list(),
    podUsage: (podUid) => cgroups.podUsage(podUid),
    podsUsage: () => cgroups.podsUsage(),
    podGroup: (podUid, memberId) => cgroups.podGroup(podUid, memberId),
    classGroups: () => cgroups.classGroups(),
    containerDetails: (podUid, containerId) => cgroups.containerDetails(podUid, containerId),
  };
}

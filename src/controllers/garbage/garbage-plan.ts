/** What becomes of an object, by the state of its owners. Decides; never acts. */
import type { OwnerReference } from '../../api/meta.ts';
import { foregroundFinalizer, orphanFinalizer } from '../../api/well-known.ts';
import type { GraphNode } from './garbage-graph.ts';

/**
 * What an owner means for its dependent. `unseen`: the server says that it exists, but no watch has shown it yet; it
 * may be gone before one does, so the dependent is checked again.
 */
export type OwnerState = 'solid' | 'unseen' | 'dangling' | 'waiting';
export type OwnersByState = Record<OwnerState, readonly OwnerReference[]>;

export type PropagationPolicy = 'Orphan' | 'Foreground' | 'Background';

export type CollectPlan =
  /** `drop`: uids of owners that it loses. `isUnsure`: it is to be checked again. */
  | { act: 'keep'; drop: readonly string[]; isUnsure: boolean }
  /** `unblocksOwners`: its references no longer hold back the deletion of its owners. */
  | { act: 'delete'; policy: PropagationPolicy; unblocksOwners: boolean };

export interface Collected {
  finalizers: readonly string[];
  /** The objects that it owns itself. */
  dependents: ReadonlySet<Pick<GraphNode, 'isDeletingDependents'>> | undefined;
}

export function planCollect(owners: OwnersByState, { finalizers, dependents }: Collected): CollectPlan {
  const { solid, unseen, dangling, waiting } = owners;
  const gone = [...dangling, ...waiting];
  if (solid.length + unseen.length > 0 || gone.length === 0)
    return { act: 'keep', drop: gone.map(({ uid }) => uid), isUnsure: unseen.length > 0 };
  // In a cycle of blocking references every object would wait for the others.
  if (waiting.length > 0 && dependents) {
    const unblocksOwners = [...dependents].some(({ isDeletingDependents }) => isDeletingDependents);
    return { act: 'delete', policy: 'Foreground', unblocksOwners };
  }
  const isOrphaning = finalizers.includes(orphanFinalizer);
  const policy = finalizers.includes(foregroundFinalizer) ? 'Foreground' : 'Background';
  return { act: 'delete', policy: isOrphaning ? 'Orphan' : policy, unblocksOwners: false };
}

/** Dependents for which an object waits that is being deleted in the foreground. */
export function blockingDependents({ uid, dependents }: GraphNode): GraphNode[] {
  return [...(dependents ?? [])].filter(({ owners }) =>
    owners.some((owner) => owner.uid === uid && owner.blockOwnerDeletion),
  );
}

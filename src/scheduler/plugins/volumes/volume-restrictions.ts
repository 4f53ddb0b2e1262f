/** A claim with access mode ReadWriteOncePod serves one pod in the whole cluster. */
import { type Plugin, type Snapshot, skip, unschedulable } from '../../framework/plugin.ts';
import type { PodInfo } from '../../framework/pod-info.ts';
import type { VolumeListers } from './volume-listers.ts';
import { freesItsClaim, isOwnClaim } from './volume-retry.ts';

const inUse = unschedulable(
  'node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod',
);

interface ExclusiveClaims {
  keys: readonly string[];
  /** The number of pods that use them now. */
  users: number;
}

export function volumeRestrictions({ claims }: Pick<VolumeListers, 'claims'>): Plugin<ExclusiveClaims> {
  const exclusiveClaims = (pod: PodInfo) =>
    pod.claims.filter((key) => claims.get(key)?.spec?.accessModes?.includes('ReadWriteOncePod'));
  return {
    name: 'VolumeRestrictions',
    retryRules: [
      { resource: 'AssignedPod', changes: ['delete'], helps: freesItsClaim },
      { resource: 'PersistentVolumeClaim', changes: ['add', 'update'], helps: isOwnClaim },
    ],
    preFilter(pod, snapshot) {
      const keys = exclusiveClaims(pod);
      if (keys.length === 0) return skip;
      return { kind: 'continue', state: { keys, users: countUsers(keys, snapshot) } };
    },
    filter: (_, _node, { users }) => (users > 0 ? inUse : undefined),
    cloneState: (state) => ({ ...state }),
    changePod(state, _pod, { pod: changed, by }) {
      for (const key of state.keys) if (changed.claims.includes(key)) state.users += by;
    },
  };
}

function countUsers(keys: readonly string[], snapshot: Snapshot): number {
  let users = 0;
  for (const node of snapshot.nodes) for (const key of keys) users += node.claims.get(key) ?? 0;
  return users;
}

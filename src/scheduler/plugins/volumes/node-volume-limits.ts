/** Enforces the number of volumes per node that a CSI driver states. */
import type { Pod } from '../../../api/resources.gen.ts';
import type { NodeInfo } from '../../framework/node-info.ts';
import { type Plugin, skip, unschedulable } from '../../framework/plugin.ts';
import { claimNameOf } from '../../framework/pod-info.ts';
import type { VolumeListers } from './volume-listers.ts';
import { freesAnyClaim, isOwnClaim } from './volume-retry.ts';

const tooMany = unschedulable('node(s) exceed max volume count');

/** Driver → handles of distinct volumes. */
type DriverVolumes = Map<string, Set<string>>;

export function nodeVolumeLimits(listers: VolumeListers): Plugin<DriverVolumes> {
  return {
    name: 'NodeVolumeLimits',
    retryRules: [
      { resource: 'CSINode', changes: ['add', 'update'] },
      { resource: 'AssignedPod', changes: ['delete'], helps: freesAnyClaim },
      { resource: 'PersistentVolumeClaim', changes: ['add', 'update'], helps: isOwnClaim },
    ],
    preFilter({ pod }) {
      const state: DriverVolumes = new Map();
      collectVolumes(pod, listers, state);
      return state.size === 0 ? skip : { kind: 'continue', state };
    },
    filter(_, node, wanted) {
      const drivers = listers.csiNodes.get(node.name)?.spec?.drivers ?? [];
      for (const { name, allocatable } of drivers) {
        const limit = allocatable?.count;
        const added = wanted.get(name);
        if (limit === undefined || !added) continue;
        const held = volumesOn(node, listers).get(name) ?? new Set();
        if (new Set([...held, ...added]).size > limit) return tooMany;
      }
      return undefined;
    },
  };
}

function volumesOn(node: NodeInfo, listers: VolumeListers): DriverVolumes {
  const volumes: DriverVolumes = new Map();
  for (const { pod } of node.pods.values()) collectVolumes(pod, listers, volumes);
  return volumes;
}

function collectVolumes(pod: Pod, { claims, volumes, classes }: VolumeListers, into: DriverVolumes): void {
  const add = (driver: string, handle: string) => {
    const handles = into.get(driver) ?? new Set();
    handles.add(handle);
    into.set(driver, handles);
  };
  for (const entry of pod.spec?.volumes ?? []) {
    const name = claimNameOf(pod, entry);
    const claim = name === undefined ? undefined : claims.get(`${pod.metadata.namespace}/${name}`);
    if (!claim) continue;
    const source = volumes.get(claim.spec?.volumeName ?? '')?.spec?.csi;
    if (source) {
      add(source.driver, source.volumeHandle);
      continue;
    }
    // A volume that is yet to be created counts by its claim.
    const provisioner = classes.get(claim.spec?.storageClassName ?? '')?.provisioner;
    if (!claim.spec?.volumeName && provisioner) add(provisioner, claim.metadata.uid);
  }
}

/** A bound volume with zone or region labels can be reached only from nodes with the same labels. */
import type { PersistentVolume } from '../../../api/resources.gen.ts';
import { firstRegionLabel, firstZoneLabel, regionLabel, zoneLabel } from '../../../api/well-known.ts';
import { type Plugin, skip, unresolvable } from '../../framework/plugin.ts';
import type { VolumeListers } from './volume-listers.ts';
import { isOwnClaim, mayBeItsVolume } from './volume-retry.ts';

const elsewhere = unresolvable('node(s) had no available volume zone');

const topologyLabels = [zoneLabel, regionLabel, firstZoneLabel, firstRegionLabel] as const;

interface TopologyNeed {
  key: string;
  values: ReadonlySet<string>;
}

export function volumeZone({ claims, volumes }: VolumeListers): Plugin<TopologyNeed[]> {
  return {
    name: 'VolumeZone',
    retryRules: [
      { resource: 'Node', changes: ['add', 'labels'] },
      { resource: 'PersistentVolumeClaim', changes: ['add', 'update'], helps: isOwnClaim },
      { resource: 'PersistentVolume', changes: ['add', 'update'], helps: mayBeItsVolume },
    ],
    preFilter(pod) {
      const state = pod.claims.flatMap((key) => {
        const volume = volumes.get(claims.get(key)?.spec?.volumeName ?? '');
        return volume ? needsOf(volume) : [];
      });
      return state.length === 0 ? skip : { kind: 'continue', state };
    },
    filter: (_, { labels }, needs) => {
      // Zones are ignored in a cluster whose nodes have none.
      if (!topologyLabels.some((key) => labels[key] !== undefined)) return undefined;
      return needs.every(({ key, values }) => values.has(labels[key] ?? '')) ? undefined : elsewhere;
    },
  };
}

/** Several zones of one volume are joined by two underscores. */
function needsOf({ metadata }: PersistentVolume): TopologyNeed[] {
  return topologyLabels.flatMap((key) => {
    const value = metadata.labels?.[key];
    return value === undefined ? [] : [{ key, values: new Set(value.split('__')) }];
  });
}

/** How long volumes took to become ready, and which ones are mounted, under upstream's metric names. */

import type { PersistentVolume } from '../../api/resources.gen.ts';
import type { Volume } from '../../api/types/core-v1.gen.ts';
import { type Outcome, timed } from '../../base/async/timed.ts';
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import { pluginOf, pluginOfClaimed } from './volume-plugin.ts';

export interface StorageMetrics {
  /** Times what is done to volumes of a pod at once. Nothing is noted of a claim whose volume was not found by then. */
  operation<T>(
    clock: Pick<Clock, 'monotonic'>,
    operation: StorageOperation,
    work: () => Promise<T>,
  ): Promise<T>;
  /** Which volume a pod has for one of its claims. */
  claimed(podUid: string, volumeName: string, claimed: PersistentVolume): void;
  /** Of a volume of a pod. Undefined: the volume of its claim is not known. */
  pluginOf(podUid: string, volume: Volume): string | undefined;
  forget(podUid: string): void;
  /** `plugins`: of the volumes that pods of the node request, or of those that are mounted. */
  watch(state: 'desired' | 'actual', plugins: () => Iterable<string>): void;
}

export interface StorageOperation {
  /** In upstream's words; a mount is also what brings a mounted volume up to date. */
  name: 'volume_mount' | 'volume_unmount' | 'volume_fs_resize';
  podUid: string;
  volumes: readonly Volume[];
}

const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];
const statuses: Record<Outcome, string> = { succeeded: 'success', failed: 'fail-unknown' };
/** Simulated nodes share one registry. */
const known = new WeakMap<MetricsRegistry, StorageMetrics>();

export function storageMetrics(registry: MetricsRegistry): StorageMetrics {
  const found = known.get(registry);
  if (found) return found;
  const durations = registry.histogram(
    'storage_operation_duration_seconds',
    'Storage operation duration',
    buckets,
  );
  const sources: Record<string, (() => Iterable<string>)[]> = { desired: [], actual: [] };
  registry.collected('volume_manager_total_volumes', 'Number of volumes in Volume Manager', () =>
    Object.entries(sources).flatMap(([state, all]) =>
      samples(
        `${state}_state_of_world`,
        all.flatMap((plugins) => [...plugins()]),
      ),
    ),
  );
  /** Plugins by pod and volume. */
  const ofClaims = new Map<string, Map<string, string>>();
  const metrics: StorageMetrics = {
    operation: (clock, { name, podUid, volumes }, work) =>
      timed(clock, work, (outcome, seconds) => {
        const labels = { migrated: 'false', operation_name: name, status: statuses[outcome] };
        for (const volume of volumes) {
          const plugin = metrics.pluginOf(podUid, volume);
          if (plugin !== undefined) durations.observe(seconds, { ...labels, volume_plugin: plugin });
        }
      }),
    claimed(podUid, volumeName, claimed) {
      const ofPod = ofClaims.get(podUid) ?? new Map<string, string>();
      ofClaims.set(podUid, ofPod.set(volumeName, pluginOfClaimed(claimed)));
    },
    pluginOf: (podUid, volume) => pluginOf(volume) ?? ofClaims.get(podUid)?.get(volume.name),
    forget: (podUid) => void ofClaims.delete(podUid),
    watch: (state, plugins) => void sources[state]!.push(plugins),
  };
  known.set(registry, metrics);
  return metrics;
}

function samples(state: string, plugins: readonly string[]) {
  const counts = new Map<string, number>();
  for (const plugin of plugins) counts.set(plugin, (counts.get(plugin) ?? 0) + 1);
  return [...counts].map(([plugin, value]) => ({ labels: { plugin_name: plugin, state }, value }));
}

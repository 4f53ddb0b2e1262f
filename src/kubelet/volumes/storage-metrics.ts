/** How long volumes took to become ready, and which ones are mounted, under upstream's metric names. */

import type { Volume } from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';

export interface StorageMetrics {
  /** Times the mounting of one volume; upstream uses the same metric for remounts. */
  mount<T>(clock: Pick<Clock, 'monotonic'>, plugin: string, work: () => Promise<T>): Promise<T>;
  /** `plugins`: of the volumes that pods of the node request, or of those that are mounted. */
  watch(state: 'desired' | 'actual', plugins: () => Iterable<string>): void;
}

const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600];
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
  const metrics: StorageMetrics = {
    async mount(clock, plugin, work) {
      const startMs = clock.monotonic();
      let status = 'fail-unknown';
      try {
        const result = await work();
        status = 'success';
        return result;
      } finally {
        const labels = { migrated: 'false', operation_name: 'volume_mount', status, volume_plugin: plugin };
        durations.observe((clock.monotonic() - startMs) / 1000, labels);
      }
    },
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

const plugins: Partial<Record<keyof Volume, string>> = {
  configMap: 'configmap',
  secret: 'secret',
  projected: 'projected',
  downwardAPI: 'downward-api',
  emptyDir: 'empty-dir',
  hostPath: 'host-path',
  nfs: 'nfs',
  gitRepo: 'git-repo',
  csi: 'csi',
};

/** A claimed volume may use any plugin: here it is one of the node's disk, or of a driver. */
export function pluginOf(volume: Volume): string {
  const kind = (Object.keys(plugins) as (keyof Volume)[]).find((name) => volume[name] !== undefined);
  return `kubernetes.io/${kind ? plugins[kind] : 'local-volume'}`;
}

/** Counts of bound and unbound volumes and claims, under the names that storage dashboards query. */
import { PersistentVolume, PersistentVolumeClaim } from '../../api/resources.gen.ts';
import { type Labels, type MetricsRegistry, metricsPerRegistry } from '../../base/metrics.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';

interface Source {
  volumes(): Iterable<PersistentVolume>;
  claims(): Iterable<PersistentVolumeClaim>;
}

const nothing: Source = { volumes: () => [], claims: () => [] };

/** Where to find what is counted: a controller manager that becomes leader again replaces its earlier self. */
const sourceOf = metricsPerRegistry((registry) => {
  const source = { ...nothing };
  registerCounts(registry, source);
  return source;
});

/** Registers the counts; nothing is counted once the signal has aborted. */
export async function runVolumeCounts(
  { metrics, informers }: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const [volumes, claims] = [informers.of(PersistentVolume), informers.of(PersistentVolumeClaim)];
  Object.assign(sourceOf(metrics), {
    volumes: () => (signal.aborted ? [] : volumes.list()),
    claims: () => (signal.aborted ? [] : claims.list()),
  } satisfies Source);
}

function registerCounts(metrics: MetricsRegistry, source: Source): void {
  metrics.collected('pv_collector_total_pv_count', 'Number of persistent volumes.', () =>
    countBy(source.volumes(), (volume) => ({
      plugin_name: pluginOf(volume),
      volume_mode: volume.spec?.volumeMode ?? 'Filesystem',
    })),
  );
  for (const state of ['bound', 'unbound'] as const) {
    const isWanted = (phase: string | undefined) => (phase === 'Bound') === (state === 'bound');
    metrics.collected(`pv_collector_${state}_pv_count`, `Number of ${state} persistent volumes.`, () =>
      countBy(source.volumes(), ({ spec, status }) =>
        isWanted(status?.phase) ? { storage_class: spec?.storageClassName ?? '' } : undefined,
      ),
    );
    metrics.collected(`pv_collector_${state}_pvc_count`, `Number of ${state} claims of volumes.`, () =>
      countBy(source.claims(), ({ metadata, spec, status }) =>
        isWanted(status?.phase)
          ? {
              namespace: metadata.namespace ?? '',
              storage_class: spec?.storageClassName ?? '',
              volume_attributes_class: spec?.volumeAttributesClassName ?? '',
            }
          : undefined,
      ),
    );
  }
}

function countBy<T>(
  objects: Iterable<T>,
  labelsOf: (object: T) => Labels | undefined,
): Iterable<{ labels: Labels; value: number }> {
  const counts = new Map<string, { labels: Labels; value: number }>();
  for (const object of objects) {
    const labels = labelsOf(object);
    if (!labels) continue;
    const key = Object.values(labels).join('\0');
    const count = counts.get(key);
    if (count) count.value++;
    else counts.set(key, { labels, value: 1 });
  }
  return counts.values();
}

/** The plugin name as upstream has it; for CSI, with the driver's name. */
function pluginOf({ spec }: PersistentVolume): string {
  if (spec?.csi) return `kubernetes.io/csi:${spec.csi.driver}`;
  const [, name] = plugins.find(([source]) => spec?.[source]) ?? [];
  return name ? `kubernetes.io/${name}` : 'N/A';
}

const plugins = [
  ['hostPath', 'host-path'],
  ['nfs', 'nfs'],
  ['local', 'local-volume'],
  ['iscsi', 'iscsi'],
  ['fc', 'fc'],
  ['flexVolume', 'flexvolume'],
] as const;

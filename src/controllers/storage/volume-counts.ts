/** Counts of bound and unbound volumes and claims, under the names that storage dashboards query. */
import { PersistentVolume, PersistentVolumeClaim } from '../../api/resources.gen.ts';
import type { Labels, MetricsRegistry } from '../../base/metrics.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import type { InformerFactory } from '../../client/informers/informer.ts';

/** Whose caches are counted: a controller manager that becomes leader again replaces its earlier self. */
const counted = new WeakMap<MetricsRegistry, { informers: InformerFactory; signal: AbortSignal }>();

/** Registers the counts; nothing is counted once the signal has aborted. */
export async function runVolumeCounts(
  { metrics, informers }: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  informers.of(PersistentVolume);
  informers.of(PersistentVolumeClaim);
  if (!metrics) return;
  const known = counted.get(metrics);
  if (known) {
    Object.assign(known, { informers, signal });
    return;
  }
  const subject = { informers, signal };
  counted.set(metrics, subject);
  registerCounts(metrics, {
    volumes: () => (subject.signal.aborted ? [] : subject.informers.of(PersistentVolume).list()),
    claims: () => (subject.signal.aborted ? [] : subject.informers.of(PersistentVolumeClaim).list()),
  });
}

interface Counted {
  volumes(): Iterable<PersistentVolume>;
  claims(): Iterable<PersistentVolumeClaim>;
}

function registerCounts(metrics: MetricsRegistry, { volumes, claims }: Counted): void {
  metrics.collected('pv_collector_total_pv_count', 'Number of persistent volumes.', () =>
    countBy(volumes(), (volume) => ({
      plugin_name: pluginOf(volume),
      volume_mode: volume.spec?.volumeMode ?? 'Filesystem',
    })),
  );
  for (const state of ['bound', 'unbound'] as const) {
    const isWanted = (phase: string | undefined) => (phase === 'Bound') === (state === 'bound');
    metrics.collected(`pv_collector_${state}_pv_count`, `Number of ${state} persistent volumes.`, () =>
      countBy(volumes(), ({ spec, status }) =>
        isWanted(status?.phase) ? { storage_class: spec?.storageClassName ?? '' } : undefined,
      ),
    );
    metrics.collected(`pv_collector_${state}_pvc_count`, `Number of ${state} claims of volumes.`, () =>
      countBy(claims(), ({ metadata, spec, status }) =>
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

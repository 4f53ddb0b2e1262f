/** What is counted of the store under upstream's names, which speak of etcd whatever the store is. */
import type { Clock } from '../../base/clock.ts';
import type { BoundHistogram, Histogram, MetricsRegistry } from '../../base/metrics.ts';
import { type Store, StoreUnavailableError } from '../../storage/store.ts';
import type { KindRegistry } from '../registry/kind-registry.ts';

const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

type Operation = 'get' | 'list' | 'create' | 'update' | 'delete';

/** The store, with the time that each operation takes counted. */
export function measuredStore(store: Store, metrics: MetricsRegistry, clock: Clock): Store {
  const durations = metrics.histogram(
    'etcd_request_duration_seconds',
    'Request latency of the store in seconds for each operation and resource.',
    buckets,
  );
  const series = new DurationSeries(durations);
  const errors = metrics.counter(
    'etcd_request_errors_total',
    'Failed requests of the store for each operation.',
  );
  const measured = async <T>(operation: Operation, key: string, work: () => Promise<T>): Promise<T> => {
    const startMs = clock.monotonic();
    try {
      return await work();
    } catch (error) {
      errors.add(1, { operation, ...resourceOf(key) });
      throw error;
    } finally {
      series.of(operation, key).observe((clock.monotonic() - startMs) / 1000);
    }
  };
  return {
    get: (key, options) => measured('get', key, () => store.get(key, options)),
    list: (prefix, options) => measured('list', prefix, () => store.list(prefix, options)),
    create: (key, value) => measured('create', key, () => store.create(key, value)),
    update: (key, value, expected) => measured('update', key, () => store.update(key, value, expected)),
    delete: (key, expected) => measured('delete', key, () => store.delete(key, expected)),
    watch: (prefix, options) => store.watch(prefix, options),
    currentRevision: () => store.currentRevision(),
    compact: (revision) => store.compact(revision),
    get compacted() {
      return store.compacted;
    },
    sizeBytes: () => store.sizeBytes(),
    close: () => store.close(),
  };
}

class DurationSeries {
  readonly #durations: Histogram;
  readonly #bound = new Map<string, BoundHistogram>();

  constructor(durations: Histogram) {
    this.#durations = durations;
  }

  of(operation: Operation, key: string): BoundHistogram {
    const id = `${operation} ${placeOf(key)}`;
    let bound = this.#bound.get(id);
    if (!bound) {
      bound = this.#durations.bind({ operation, ...resourceOf(key) });
      this.#bound.set(id, bound);
    }
    return bound;
  }
}

/** `pods` of `/registry/pods/default/x`, `example.com/widgets` of `/registry/example.com/widgets/…`. */
function placeOf(key: string): string {
  const start = key.indexOf('/', 1) + 1;
  let end = key.indexOf('/', start);
  if (end < 0) return key.slice(start);
  if (key.slice(start, end).includes('.')) {
    const next = key.indexOf('/', end + 1);
    end = next < 0 ? key.length : next;
  }
  return key.slice(start, end);
}

function resourceOf(key: string): { group: string; resource: string } {
  const place = placeOf(key);
  const slash = place.indexOf('/');
  if (slash < 0) return { group: '', resource: place };
  return { group: place.slice(0, slash), resource: place.slice(slash + 1) };
}

/** @returns a function that updates the size, for which it reads the store */
export function collectStorage(
  metrics: MetricsRegistry,
  { kinds, store }: { kinds: KindRegistry; store: Store },
): () => Promise<void> {
  let sizeBytes = 0;
  metrics.collected('apiserver_storage_size_bytes', 'Size of the store in bytes.', () => [
    { labels: { storage_cluster_id: 'etcd-0' }, value: sizeBytes },
  ]);
  const stored = () => [...kinds.all()].filter(({ served, cache }) => !served && cache);
  metrics.collected('apiserver_storage_objects', 'Stored objects by resource.', () =>
    stored().map(({ group, plural, cache }) => ({
      labels: { resource: group ? `${plural}.${group}` : plural },
      value: cache!.size,
    })),
  );
  metrics.collected('apiserver_resource_objects', 'Stored objects by group and resource.', () =>
    stored().map(({ group, plural, cache }) => ({ labels: { group, resource: plural }, value: cache!.size })),
  );
  return async () => {
    try {
      sizeBytes = await store.sizeBytes();
    } catch (error) {
      // Metrics matter most while the store does not respond: its last known size stays.
      if (!(error instanceof StoreUnavailableError)) throw error;
    }
  };
}

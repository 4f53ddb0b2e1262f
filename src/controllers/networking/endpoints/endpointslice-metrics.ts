/** Metrics of the two EndpointSlice controllers, under upstream's names. */
import type { EndpointSlice } from '../../../api/resources.gen.ts';
import { equalJson } from '../../../api/schema/json-value.ts';
import type { Endpoint } from '../../../api/types/discovery-v1.gen.ts';
import {
  type BoundHistogram,
  exponentialBuckets,
  type MetricsRegistry,
  metricsPerRegistry,
} from '../../../base/metrics.ts';
import { endpointKey, type SlicePlan, sliceMax, type WantedSlices } from './endpointslice-plan.ts';

/** Of one Service. */
interface SliceCount {
  slices: number;
  /** How many slices there would be if all were full. */
  desired: number;
  endpoints: number;
}

export const endpointSliceMetricsOf = metricsPerRegistry((registry) => {
  const prefix = 'endpoint_slice_controller';
  return {
    ...sliceMetrics(registry, prefix, 'Service'),
    syncs: registry.counter(`${prefix}_syncs`, 'Number of EndpointSlice syncs'),
  };
});

export const sliceMirroringMetricsOf = metricsPerRegistry((registry) => {
  const prefix = 'endpoint_slice_mirroring_controller';
  return {
    ...sliceMetrics(registry, prefix, 'Endpoints'),
    updated: perSync(registry, `${prefix}_endpoints_updated_per_sync`, 'endpoints updated', 'Endpoints'),
    skipped: perSync(
      registry,
      `${prefix}_addresses_skipped_per_sync`,
      'addresses that were too many',
      'Endpoints',
    ),
    duration: registry
      .histogram(
        `${prefix}_endpoints_sync_duration`,
        'Duration of syncEndpoints() in seconds',
        exponentialBuckets(0.001, 2, 15),
      )
      .bind({}),
  };
});

type SliceMetrics = ReturnType<typeof sliceMetrics>;

/** What both controllers count. `of`: the kind for which slices are made. */
function sliceMetrics(registry: MetricsRegistry, prefix: string, of: string) {
  /** By `namespace/name`. */
  const services = new Map<string, SliceCount>();
  const sumOf = (field: keyof SliceCount) =>
    function* () {
      let value = 0;
      for (const count of services.values()) value += count[field];
      yield { value };
    };
  registry.collected(`${prefix}_num_endpoint_slices`, 'Number of EndpointSlices', sumOf('slices'));
  registry.collected(
    `${prefix}_desired_endpoint_slices`,
    'Number of EndpointSlices that would exist with perfect endpoint allocation',
    sumOf('desired'),
  );
  registry.collected(`${prefix}_endpoints_desired`, 'Number of endpoints desired', sumOf('endpoints'));
  return {
    services,
    changes: registry.counter(`${prefix}_changes`, 'Number of EndpointSlice changes'),
    added: perSync(registry, `${prefix}_endpoints_added_per_sync`, 'endpoints added', of),
    removed: perSync(registry, `${prefix}_endpoints_removed_per_sync`, 'endpoints removed', of),
  };
}

function perSync(registry: MetricsRegistry, name: string, what: string, of: string): BoundHistogram {
  const help = `Number of ${what} on each ${of} sync`;
  return registry.histogram(name, help, exponentialBuckets(2, 2, 15)).bind({});
}

/** Records a sync that was applied. */
export function noteSlices(
  { services, changes, added, removed, updated }: SliceMetrics & { updated?: BoundHistogram },
  key: string,
  {
    present,
    wanted,
    plan,
    sliceMax: max = sliceMax,
  }: {
    present: readonly EndpointSlice[];
    wanted: readonly WantedSlices[];
    plan: SlicePlan;
    /** Endpoints per slice. */
    sliceMax?: number;
  },
): void {
  const groups = wanted.flatMap((family) => family.groups);
  services.set(key, {
    slices: present.length + plan.create.length - plan.remove.length,
    desired: groups.reduce((sum, { endpoints }) => sum + Math.max(1, Math.ceil(endpoints.length / max)), 0),
    endpoints: groups.reduce((sum, { endpoints }) => sum + endpoints.length, 0),
  });
  const keyed = (endpoint: Endpoint) => [endpointKey(endpoint), endpoint] as const;
  const before = new Map(present.flatMap(({ endpoints }) => (endpoints ?? []).map(keyed)));
  const after = new Map(groups.flatMap(({ endpoints }) => endpoints.map(keyed)));
  added.observe([...after.keys()].filter((one) => !before.has(one)).length);
  removed.observe([...before.keys()].filter((one) => !after.has(one)).length);
  updated?.observe(
    [...after].filter(([key, endpoint]) => before.has(key) && !equalJson(before.get(key), endpoint)).length,
  );
  for (const [operation, list] of [
    ['create', plan.create],
    ['update', plan.update],
    ['delete', plan.remove],
  ] as const)
    if (list.length > 0) changes.add(list.length, { operation });
}

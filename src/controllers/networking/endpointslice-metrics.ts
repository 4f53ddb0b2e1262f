/** What the EndpointSlice controller does and what came of it, under upstream's names. */
import type { EndpointSlice } from '../../api/resources.gen.ts';
import { exponentialBuckets, metricsPerRegistry } from '../../base/metrics.ts';
import { endpointKey, type SlicePlan, sliceMax, type WantedSlices } from './endpointslice-plan.ts';

/** Of one Service. */
interface SliceCount {
  slices: number;
  /** So many would do if all were full. */
  desired: number;
  endpoints: number;
}

const prefix = 'endpoint_slice_controller';

export const endpointSliceMetricsOf = metricsPerRegistry((registry) => {
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
  const perSync = (name: string, what: string) =>
    registry.histogram(
      `${prefix}_${name}`,
      `Number of endpoints ${what} on each Service sync`,
      exponentialBuckets(2, 2, 15),
    );
  return {
    services,
    syncs: registry.counter(`${prefix}_syncs`, 'Number of EndpointSlice syncs'),
    changes: registry.counter(`${prefix}_changes`, 'Number of EndpointSlice changes'),
    added: perSync('endpoints_added_per_sync', 'added').bind({}),
    removed: perSync('endpoints_removed_per_sync', 'removed').bind({}),
  };
});

type EndpointSliceMetrics = ReturnType<typeof endpointSliceMetricsOf>;

/** Notes a sync that was applied. */
export function noteSlices(
  { services, changes, added, removed }: EndpointSliceMetrics,
  key: string,
  present: readonly EndpointSlice[],
  wanted: readonly WantedSlices[],
  plan: SlicePlan,
): void {
  const groups = wanted.flatMap((family) => family.groups);
  services.set(key, {
    slices: present.length + plan.create.length - plan.remove.length,
    desired: groups.reduce(
      (sum, { endpoints }) => sum + Math.max(1, Math.ceil(endpoints.length / sliceMax)),
      0,
    ),
    endpoints: groups.reduce((sum, { endpoints }) => sum + endpoints.length, 0),
  });
  const before = new Set(present.flatMap(({ endpoints }) => (endpoints ?? []).map(endpointKey)));
  const after = new Set(groups.flatMap(({ endpoints }) => endpoints.map(endpointKey)));
  added.observe([...after].filter((one) => !before.has(one)).length);
  removed.observe([...before].filter((one) => !after.has(one)).length);
  for (const [operation, list] of [
    ['create', plan.create],
    ['update', plan.update],
    ['delete', plan.remove],
  ] as const)
    if (list.length > 0) changes.add(list.length, { operation });
}

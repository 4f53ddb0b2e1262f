/** What discovery tells of the metrics groups. */
import type { DiscoverableResource, DiscoveredGroup } from '../discovery/groups.ts';

export const resourceMetricsGroup = 'metrics.k8s.io';
export const customMetricsGroup = 'custom.metrics.k8s.io';

/** `metricNames`: those that pods expose now. */
export function metricsGroups(metricNames: readonly string[]): DiscoveredGroup[] {
  const list = new Set(['get', 'list']);
  const resource = (
    group: string,
    version: string,
    plural: string,
    kind: string,
    namespaced: boolean,
  ): DiscoverableResource => ({
    group,
    version,
    plural,
    kind,
    namespaced,
    verbs: list,
    cache: undefined,
    definition: {
      type: { group, version, plural, kind, namespaced },
      singular: '',
      shortNames: [],
      categories: [],
    },
  });
  const entry = (one: DiscoverableResource) => ({ resource: one, subresources: [] });
  const custom = (version: string) => ({
    version,
    resources: metricNames.flatMap((name) =>
      ['pods', 'services'].map((plural) =>
        entry(resource(customMetricsGroup, version, `${plural}/${name}`, 'MetricValueList', true)),
      ),
    ),
  });
  return [
    {
      group: resourceMetricsGroup,
      versions: [
        {
          version: 'v1beta1',
          resources: [
            entry(resource(resourceMetricsGroup, 'v1beta1', 'nodes', 'NodeMetrics', false)),
            entry(resource(resourceMetricsGroup, 'v1beta1', 'pods', 'PodMetrics', true)),
          ],
        },
      ],
    },
    { group: customMetricsGroup, versions: [custom('v1beta2'), custom('v1beta1')] },
  ];
}

/** What discovery publishes about the metrics groups. */
import type { ResourceType } from '../../api/meta.ts';
import type { DiscoveredGroup } from '../discovery/groups.ts';

export const resourceMetricsGroup = 'metrics.k8s.io';
export const customMetricsGroup = 'custom.metrics.k8s.io';

/** As the APIServices of metrics servers have it. */
const priority = 100;

/** `metricNames`: those that pods expose now. */
export function metricsGroups(metricNames: readonly string[]): DiscoveredGroup[] {
  const list = new Set(['get', 'list']);
  const entry = (type: ResourceType) => {
    const definition = { type, singular: '', shortNames: [], categories: [] };
    return { resource: { ...type, verbs: list, cache: undefined, definition }, subresources: [] };
  };
  const custom = (version: string) => ({
    version,
    resources: metricNames.flatMap((name) =>
      ['pods', 'services'].map((plural) =>
        entry({
          group: customMetricsGroup,
          version,
          plural: `${plural}/${name}`,
          kind: 'MetricValueList',
          namespaced: true,
        }),
      ),
    ),
  });
  const ofResources = { group: resourceMetricsGroup, version: 'v1beta1' };
  return [
    {
      group: resourceMetricsGroup,
      priority,
      versions: [
        {
          version: ofResources.version,
          resources: [
            entry({ ...ofResources, plural: 'nodes', kind: 'NodeMetrics', namespaced: false }),
            entry({ ...ofResources, plural: 'pods', kind: 'PodMetrics', namespaced: true }),
          ],
        },
      ],
    },
    { group: customMetricsGroup, priority, versions: [custom('v1beta2'), custom('v1beta1')] },
  ];
}

/** Aggregated discovery: everything in one answer, as kubectl requests it since 1.26. */
import {
  categoriesOf,
  type DiscoveredGroup,
  type DiscoveredResource,
  isForeign,
  shortNamesOf,
  subresourcesInOrder,
} from './groups.ts';

type Json = Record<string, unknown>;

export type AggregatedVersion = 'v2' | 'v2beta1';

/** An `APIGroupDiscoveryList` of the groups given. */
export function groupDiscoveryList(groups: readonly DiscoveredGroup[], version: AggregatedVersion): Json {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === '' ? {} : { name: group },
      versions: versions.map((entry) => ({
        version: entry.version,
        ...((entry.resources.length > 0 || !entry.isStale) && {
          resources: entry.resources.map(resourceDiscovery),
        }),
        freshness: entry.isStale ? 'Stale' : 'Current',
      })),
    })),
  };
}

function resourceDiscovery({ resource, subresources }: DiscoveredResource): Json {
  const { definition } = resource;
  return {
    resource: resource.plural,
    responseKind: ownKind(resource.kind),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: definition.singular,
    verbs: [...resource.verbs],
    ...(shortNamesOf(resource).length > 0 && { shortNames: shortNamesOf(resource) }),
    ...(categoriesOf(resource).length > 0 && { categories: categoriesOf(resource) }),
    ...(subresources.length > 0 && {
      subresources: subresourcesInOrder(subresources).map(({ name, verbs, type }) => ({
        subresource: name,
        responseKind: type && isForeign(type, resource) ? { ...type } : ownKind(type?.kind ?? resource.kind),
        verbs: [...verbs].sort(),
      })),
    }),
  };
}

/** Relative to the group and version that it is listed under. */
function ownKind(kind: string): Json {
  return { group: '', version: '', kind };
}

/** Aggregated discovery: everything in one answer, as kubectl asks since 1.26. */
import {
  categoriesOf,
  type DiscoverableResource,
  type DiscoveredGroup,
  type DiscoveredResource,
  shortNamesOf,
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
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map((entry) => ({
        version: entry.version,
        resources: entry.resources.map(resourceDiscovery),
        freshness: 'Current',
      })),
    })),
  };
}

function resourceDiscovery({ resource, subresources }: DiscoveredResource): Json {
  const { definition } = resource;
  return {
    resource: resource.plural,
    responseKind: kindFacts(resource),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: definition.singular,
    verbs: [...resource.verbs].sort(),
    ...(shortNamesOf(resource).length > 0 && { shortNames: shortNamesOf(resource) }),
    ...(categoriesOf(resource).length > 0 && { categories: categoriesOf(resource) }),
    ...(subresources.length > 0 && {
      subresources: subresources.map(({ name, verbs, type }) => ({
        subresource: name,
        responseKind: type ? { ...type } : kindFacts(resource),
        verbs: [...verbs].sort(),
      })),
    }),
  };
}

function kindFacts({ group, version, kind }: DiscoverableResource): Json {
  return { group, version, kind };
}

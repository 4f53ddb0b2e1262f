/** Unaggregated discovery, which every client knows: APIVersions, APIGroupList, APIGroup, APIResourceList. */
import { createHash } from 'node:crypto';
import {
  categoriesOf,
  type DiscoverableResource,
  type DiscoveredGroup,
  type DiscoveredResource,
  isForeign,
  shortNamesOf,
  subresourcesInOrder,
} from './groups.ts';

type Json = Record<string, unknown>;

export function apiVersions(serverAddress: string): Json {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export function apiGroupList(groups: readonly DiscoveredGroup[]): Json {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: groups.filter(({ group }) => group !== '').map(groupFacts),
  };
}

export function apiGroup(group: DiscoveredGroup): Json {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupFacts(group) };
}

function groupFacts({ group, versions }: DiscoveredGroup): Json {
  const list = versions.map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

export function apiResourceList(groupVersion: string, resources: readonly DiscoveredResource[]): Json {
  return {
    kind: 'APIResourceList',
    // Upstream's list of the core group has none.
    ...(groupVersion !== 'v1' && { apiVersion: 'v1' }),
    groupVersion,
    resources: resources.flatMap(({ resource, subresources }) => [
      resourceFacts(resource),
      ...subresourcesInOrder(subresources).map(({ name, verbs, type }) => ({
        name: `${resource.plural}/${name}`,
        singularName: '',
        namespaced: resource.namespaced,
        ...(type && isForeign(type, resource) && { group: type.group, version: type.version }),
        kind: type?.kind ?? resource.kind,
        verbs: [...verbs].sort(),
      })),
    ]),
  };
}

function resourceFacts(resource: DiscoverableResource): Json {
  const { definition } = resource;
  return {
    name: resource.plural,
    singularName: definition.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: [...resource.verbs],
    ...(shortNamesOf(resource).length > 0 && { shortNames: shortNamesOf(resource) }),
    ...(categoriesOf(resource).length > 0 && { categories: categoriesOf(resource) }),
    ...(resource.cache && { storageVersionHash: storageVersionHash(resource) }),
  };
}

/** A short name of the version that is stored, as upstream makes it. */
function storageVersionHash({ definition: { type } }: DiscoverableResource): string {
  const hash = createHash('sha256').update(`${type.group}/${type.version}/${type.kind}`).digest();
  return hash.subarray(0, 8).toString('base64');
}

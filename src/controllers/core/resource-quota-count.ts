/** Counts what a namespace uses of what a quota limits: in the caches, and by asking the server for the rest. */
import { apiVersionOf, type KubeObject, type ResourceType } from '../../api/meta.ts';
import type { ClaimSurroundings } from '../../api/quantities/claim-usage.ts';
import { matchesScopes, type Usage, usageOf } from '../../api/quantities/quota.ts';
import { DeviceClass, Pod, type ResourceClaim, type ResourceQuota } from '../../api/resources.gen.ts';
import { isNotFound } from '../../api/status.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { type Discovered, type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import { isOtherCount, planCount, uncountedNames } from './resource-quota-plan.ts';

/** The server's resources, as of the last time that some quota asked for more than is in the caches. */
export type Countable = { resources: readonly DiscoveredResource[] };

export interface Counted {
  /** Of each object that counts. */
  usages: readonly Usage[];
  /** Names that could not be counted, and why. */
  uncounted: ReadonlyMap<string, Error>;
}

export async function countUsage(
  cluster: ReconcileCluster,
  quota: ResourceQuota,
  countable: Countable,
  signal: AbortSignal,
): Promise<Counted> {
  const { kinds, others } = planCount(quota);
  const present = kinds.flatMap((type) => cachedUsages(cluster, quota, type));
  if (others.length === 0) return { usages: present, uncounted: new Map() };
  const { namespace = '' } = quota.metadata;
  const discovered = await resourcesFor(cluster, others, countable, signal);
  const listed: Usage[] = [];
  const unlisted = new Map<ResourceType, Error>();
  for (const resource of discovered.resources) {
    if (!others.some((name) => isOtherCount(name, resource))) continue;
    try {
      listed.push(...(await listUsages(cluster, resource, namespace, signal)));
    } catch (error) {
      if (signal.aborted) throw error;
      unlisted.set(resource, error as Error);
    }
  }
  return { usages: [...present, ...listed], uncounted: uncountedNames(others, discovered, unlisted) };
}

function cachedUsages(cluster: ReconcileCluster, quota: ResourceQuota, type: ResourceType): Usage[] {
  const objects = [...cluster.informer(type).inNamespace(quota.metadata.namespace ?? '')];
  return objects
    .filter((object) => matchesScopes(quota, type, object))
    .map((object) => usageOf(type, object));
}

/** A quota may be handled before the discovery that it triggers. */
async function resourcesFor(
  cluster: ReconcileCluster,
  names: readonly string[],
  { resources }: Countable,
  signal: AbortSignal,
): Promise<Discovered> {
  const isKnown = (name: string) => resources.some((resource) => isOtherCount(name, resource));
  if (names.every(isKnown)) return { resources: [...resources], failures: new Map() };
  return await discoverResources(cluster.client, signal);
}

async function listUsages(
  cluster: ReconcileCluster,
  type: ResourceType,
  namespace: string,
  signal: AbortSignal,
): Promise<Usage[]> {
  try {
    const metadataOnly = type.kind !== 'ResourceClaim';
    const { items } = await cluster.client.list(type, { namespace, metadataOnly }, signal);
    const surroundings = type.kind === 'ResourceClaim' ? surroundingsOf(cluster, items) : undefined;
    return items.map((object) => usageOf(type, object, surroundings));
  } catch (error) {
    // The definition was removed between discovery and the list.
    if (isNotFound(error)) return [];
    throw new Error(`could not count ${type.plural} of ${apiVersionOf(type)}`, { cause: error });
  }
}

function surroundingsOf(cluster: ReconcileCluster, claims: readonly KubeObject[]): ClaimSurroundings {
  return {
    classes: () => cluster.informer(DeviceClass).list(),
    pod: (namespace, name) => cluster.get(Pod, `${namespace}/${name}`),
    claims: () => claims as readonly ResourceClaim[],
  };
}

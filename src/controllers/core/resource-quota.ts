/**
 * ResourceQuotas: counts what each namespace uses of its limited resources. Admission charges at once; this controller
 * corrects.
 */
import { apiVersionOf, type KubeObject, keyOf, type ResourceType } from '../../api/meta.ts';
import { changesScope, concernsResource, devicesSuffix, matchesScopes, usageOf } from '../../api/quota.ts';
import {
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
} from '../../api/resources.gen.ts';
import { isNotFound } from '../../api/status.ts';
import {
  type AnyController,
  defineController,
  type Watch,
  watch,
} from '../../client/controller/controller.ts';
import type { ControllerEnvironment, ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import { FollowedResources } from '../followed-resources.ts';
import { isPodTerminal } from '../pod-state.ts';
import { type Lowered, planQuota, settleMs } from './resource-quota-plan.ts';

/** Core resources that quotas know by name; all others are counted as `count/…` only. */
const followed: readonly ResourceType[] = [
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  Secret,
  Service,
] as readonly ResourceType[];

const known: readonly ResourceType[] = [...followed, ResourceQuota as ResourceType];

/** How often quotas are recalculated from scratch, for changes that no watch reports. */
const resyncMs = 300_000;

/** The server's resources, as of the last time that some quota asked for more than the followed ones. */
type Countable = { resources: readonly DiscoveredResource[] };

export function resourceQuotaController(): AnyController {
  const countable: Countable = { resources: [] };
  /** By key, quotas that a recount would lower. */
  const lowered = new Map<string, Lowered>();
  return defineController({
    name: 'resourcequota_primary',
    component: 'resourcequota-controller',
    reconciles: ResourceQuota,
    concerns: (quota: ResourceQuota, old: ResourceQuota | undefined) =>
      !old || JSON.stringify(quota.spec) !== JSON.stringify(old.spec) || !quota.status?.hard,
    watches: followed.map(replenishing),
    source: (enqueue, environment, signal) => followCounted(countable, enqueue, environment, signal),
    async reconcile(key, cluster, signal) {
      const quota = cluster.get(ResourceQuota, key);
      if (!quota) lowered.delete(key);
      if (!quota || quota.metadata.deletionTimestamp) return;
      const { usages, uncounted } = await usagesIn(cluster, quota, countable, signal);
      const counted = { usages, uncounted: uncounted.keys() };
      const plan = planQuota(quota, counted, lowered.get(key), cluster.clock.now());
      if (plan.lowered) {
        lowered.set(key, plan.lowered);
        return { requeueAfterMs: settleMs };
      }
      lowered.delete(key);
      if (plan.status) await cluster.updateStatus(ResourceQuota, quota, plan.status, signal);
      for (const failure of uncounted.values()) throw failure;
      return { requeueAfterMs: resyncMs };
    },
  });
}

/** Admission counts creations as they happen; this counts what frees quota, and what bypassed admission. */
function replenishing(type: ResourceType): Watch {
  return watch<KubeObject>(type, function* (object, old, informers) {
    const isGone = old === object;
    const isEnded = type.kind === 'Pod' && old && isPodTerminal(object as Pod) && !isPodTerminal(old as Pod);
    const isRescoped = type.kind === 'Pod' && old && changesScope(object as Pod, old as Pod);
    const isChanged = isRescoped || type.kind === 'Service' || type.kind === 'PersistentVolumeClaim';
    if (!isGone && old && !isEnded && !isChanged) return;
    const { namespace = '' } = object.metadata;
    yield* keysConcerned(informers.of(ResourceQuota).inNamespace(namespace), type);
  });
}

function* keysConcerned(quotas: Iterable<ResourceQuota>, type: ResourceType): Iterable<string> {
  for (const quota of quotas)
    if (hardNames(quota).some((name) => concernsResource(name, type))) yield keyOf(quota);
}

function hardNames(quota: ResourceQuota): string[] {
  return Object.keys(quota.spec?.hard ?? {});
}

/** Names that count resources other than those that are always followed. */
function otherCounts(names: readonly string[]): string[] {
  return names.filter(
    (name) =>
      (name.startsWith('count/') || name.endsWith(devicesSuffix)) &&
      !known.some((type) => concernsResource(name, type)),
  );
}

/**
 * Follows the resources, custom ones included, that some quota counts, for as long as one does. Stores nothing of them:
 * a change only decides which quotas to count again.
 */
async function followCounted(
  countable: Countable,
  enqueue: (key: string) => void,
  environment: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const quotas = environment.informers.of(ResourceQuota);
  const counted = () => new Set(otherCounts([...quotas.list()].flatMap(hardNames)));
  const recount = (concerned: Iterable<ResourceQuota>, resource: ResourceType) => {
    for (const key of keysConcerned(concerned, resource)) enqueue(key);
  };
  const resources = new FollowedResources(
    environment,
    {
      name: 'resourcequota_discovery',
      discovered: (found) => {
        countable.resources = found;
      },
      isWanted: (resource) =>
        resource.namespaced && [...counted()].some((name) => concernsResource(name, resource)),
      sinkOf: (resource) => ({
        // Deletions before the list produced no event.
        replace: () => recount(quotas.list(), resource),
        apply: (type, { metadata }) => {
          if (type !== 'MODIFIED') recount(quotas.inNamespace(metadata.namespace ?? ''), resource);
        },
        progressed: () => undefined,
      }),
    },
    signal,
  );
  let wanted = '';
  const some = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => some.resolve(), { once: true });
  const reconsider = () => {
    const names = [...counted()].sort().join();
    if (names === wanted) return;
    wanted = names;
    some.resolve();
    resources.refresh();
  };
  quotas.handle({ added: reconsider, updated: reconsider, deleted: reconsider });
  await some.promise;
  if (!signal.aborted) await resources.run();
}

interface Counted {
  usages: ReturnType<typeof usageOf>[];
  /** Names that could not be counted, and why. */
  uncounted: Map<string, Error>;
}

async function usagesIn(
  cluster: ReconcileCluster,
  quota: ResourceQuota,
  countable: Countable,
  signal: AbortSignal,
): Promise<Counted> {
  const namespace = quota.metadata.namespace ?? '';
  const names = hardNames(quota);
  const concerned = known.filter((type) => names.some((name) => concernsResource(name, type)));
  const usages: ReturnType<typeof usageOf>[] = [];
  const uncounted = new Map<string, Error>();
  for (const type of concerned)
    for (const object of cluster.informer(type).inNamespace(namespace))
      if (matchesScopes(quota, type, object)) usages.push(usageOf(type, object));
  const others = otherCounts(names);
  if (others.length === 0 || (quota.spec?.scopes?.length ?? 0) > 0) return { usages, uncounted };
  const isIn = (resources: readonly DiscoveredResource[]) => (name: string) =>
    resources.some((one) => concernsResource(name, one));
  // A quota may be handled before the discovery that it triggers.
  const { resources, failures } = others.every(isIn(countable.resources))
    ? { ...countable, failures: new Map<string, Error>() }
    : await discoverResources(cluster.client, signal);
  for (const name of others.filter((one) => !isIn(resources)(one)))
    for (const [version, error] of failures) if (isOfGroup(name, version)) uncounted.set(name, error);
  for (const type of resources.filter((one) => others.some((name) => concernsResource(name, one))))
    try {
      usages.push(...(await listUsages(cluster, type, namespace, signal)));
    } catch (error) {
      if (signal.aborted) throw error;
      for (const name of others) if (concernsResource(name, type)) uncounted.set(name, error as Error);
    }
  return { usages, uncounted };
}

/** Whether a resource counted under the name could belong to the group, of which only `group/version` is known. */
function isOfGroup(name: string, version: string): boolean {
  const [group = ''] = version.split('/');
  return name.endsWith(`.${group}`) || (name.endsWith(devicesSuffix) && group === 'resource.k8s.io');
}

async function listUsages(
  cluster: ReconcileCluster,
  type: ResourceType,
  namespace: string,
  signal: AbortSignal,
): Promise<ReturnType<typeof usageOf>[]> {
  try {
    const metadataOnly = type.kind !== 'ResourceClaim';
    const { items } = await cluster.client.list(type, { namespace, metadataOnly }, signal);
    return items.map((object) => usageOf(type, object));
  } catch (error) {
    // The definition was removed between discovery and the list.
    if (isNotFound(error)) return [];
    throw new Error(`could not count ${type.plural} of ${apiVersionOf(type)}`, { cause: error });
  }
}

/**
 * ResourceQuotas: counts what each namespace uses of its limited resources. Admission charges at once; this controller
 * corrects.
 */
import { type KubeObject, keyOf, type ResourceType } from '../../api/meta.ts';
import { concernsClaims } from '../../api/quantities/claim-usage.ts';
import { changesScope, concernsResource } from '../../api/quantities/quota.ts';
import { DeviceClass, type Pod, ResourceQuota } from '../../api/resources.gen.ts';
import {
  type AnyController,
  defineController,
  type Watch,
  watch,
} from '../../client/controller/controller.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { FollowedResources } from '../followed-resources.ts';
import { isPodTerminal } from '../pods/pod-state.ts';
import { type Countable, countUsage } from './resource-quota-count.ts';
import {
  hardNames,
  isOtherCount,
  type Lowered,
  limitable,
  otherCounts,
  planQuota,
  settleMs,
} from './resource-quota-plan.ts';

/** How often quotas are recalculated from scratch, for changes that no watch reports. */
const resyncMs = 300_000;

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
    watches: [
      ...limitable.map(replenishing),
      watch(DeviceClass, (deviceClass, old, informers) =>
        changesResource(deviceClass, old) ? quotasOfDevices(informers.of(ResourceQuota).list()) : [],
      ),
    ],
    source: (enqueue, environment, signal) => followCounted(countable, enqueue, environment, signal),
    async reconcile(key, cluster, signal) {
      const quota = cluster.get(ResourceQuota, key);
      if (!quota) lowered.delete(key);
      if (!quota || quota.metadata.deletionTimestamp) return;
      const { usages, uncounted } = await countUsage(cluster, quota, countable, signal);
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

/** Whether claims count as another extended resource now. */
function changesResource({ spec }: DeviceClass, old: DeviceClass | undefined): boolean {
  return !old || old.spec === spec || old.spec.extendedResourceName !== spec.extendedResourceName;
}

function* quotasOfDevices(quotas: Iterable<ResourceQuota>): Iterable<string> {
  for (const quota of quotas) if (hardNames(quota).some(concernsClaims)) yield keyOf(quota);
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
        resource.namespaced && [...counted()].some((name) => isOtherCount(name, resource)),
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

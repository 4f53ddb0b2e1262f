/** ResourceQuotas: counts what each namespace uses of what is limited. Admission adds at once; this puts it right. */
import { apiVersionOf, type KubeObject, type ResourceType } from '../api/meta.ts';
import { compareQuantities, parseQuantity } from '../api/quantity.ts';
import { concernsResource, matchesScopes, sameAmounts, totalUsage, usageOf } from '../api/quota.ts';
import {
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
} from '../api/resources.gen.ts';
import { StatusError } from '../api/status.ts';
import { defineController, type Watch, watch } from '../client/controller.ts';
import type { ReconcileCluster } from '../client/controller-cluster.ts';
import { discoverResources } from '../client/discovery.ts';
import { isPodTerminal } from './pod-state.ts';

/** Core resources that quotas know by name; all others are counted as `count/…` only. */
const followed: readonly ResourceType[] = [
  ConfigMap,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  Secret,
  Service,
] as readonly ResourceType[];

/** Quotas are counted anew so often, for what no watch tells of. */
const resyncMs = 300_000;

/**
 * Admission charges a quota before the object is stored, and a recount in between would not see the object: what was
 * charged is taken off only when the quota has been left alone for this long.
 */
const settleMs = 500;
/** But a quota that is charged all the time gets its due after this. */
const settleMaxMs = 5_000;

/** Quotas (by uid) that a recount would lower: since when, and as of which version for how long. */
const unsettled = new Map<string, { version: string; versionMs: number; sinceMs: number }>();

function isSettled(quota: ResourceQuota, used: Record<string, string>, nowMs: number): boolean {
  const told = quota.status?.used ?? {};
  const isLowered = Object.entries(used).some(
    ([name, text]) =>
      told[name] !== undefined && compareQuantities(parseQuantity(text), parseQuantity(told[name])) < 0,
  );
  if (!isLowered) return true;
  const { uid, resourceVersion: version } = quota.metadata;
  const known = unsettled.get(uid) ?? { version, versionMs: nowMs, sinceMs: nowMs };
  if (known.version !== version) Object.assign(known, { version, versionMs: nowMs });
  unsettled.set(uid, known);
  return nowMs - known.versionMs >= settleMs || nowMs - known.sinceMs >= settleMaxMs;
}

export const resourceQuotaController = defineController({
  name: 'resourcequota_primary',
  component: 'resourcequota-controller',
  reconciles: ResourceQuota,
  concerns: (quota: ResourceQuota, old: ResourceQuota | undefined) =>
    !old || JSON.stringify(quota.spec) !== JSON.stringify(old.spec) || !quota.status?.hard,
  watches: followed.map(replenishing),
  async reconcile(key, cluster, signal) {
    const quota = cluster.get(ResourceQuota, key);
    if (!quota || quota.metadata.deletionTimestamp) return;
    const hard = quota.spec?.hard ?? {};
    const names = Object.keys(hard);
    const used = totalUsage(names, await usagesIn(cluster, quota, names, signal));
    const isSame = sameAmounts(quota.status?.hard, hard) && sameAmounts(quota.status?.used, used);
    if (isSame) {
      unsettled.delete(quota.metadata.uid);
      return { requeueAfterMs: resyncMs };
    }
    if (!isSettled(quota, used, cluster.clock.now())) return { requeueAfterMs: settleMs };
    unsettled.delete(quota.metadata.uid);
    await cluster.updateStatus(ResourceQuota, quota, { hard, used }, signal);
    return { requeueAfterMs: resyncMs };
  },
});

/** Creations are counted by admission when they happen; what frees something, and what came by another way, by this. */
function replenishing(type: ResourceType): Watch {
  return watch<KubeObject>(type, function* (object, old, informers) {
    const isGone = old === object;
    const isEnded = type.kind === 'Pod' && old && isPodTerminal(object as Pod) && !isPodTerminal(old as Pod);
    const isChanged = type.kind === 'Service' || type.kind === 'PersistentVolumeClaim';
    if (!isGone && old && !isEnded && !isChanged) return;
    for (const quota of informers.of(ResourceQuota).inNamespace(object.metadata.namespace ?? '')) {
      const { namespace, name } = quota.metadata;
      if (Object.keys(quota.spec?.hard ?? {}).some((one) => concernsResource(one, type)))
        yield `${namespace}/${name}`;
    }
  });
}

async function usagesIn(
  cluster: ReconcileCluster,
  quota: ResourceQuota,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReturnType<typeof usageOf>[]> {
  const namespace = quota.metadata.namespace ?? '';
  const known = [...followed, ResourceQuota as ResourceType];
  const concerned = known.filter((type) => names.some((name) => concernsResource(name, type)));
  const usages: ReturnType<typeof usageOf>[] = [];
  for (const type of concerned)
    for (const object of cluster.informer(type).inNamespace(namespace))
      if (matchesScopes(quota, type, object)) usages.push(usageOf(type, object));
  const others = names.filter(
    (name) => name.startsWith('count/') && !known.some((type) => concernsResource(name, type)),
  );
  if (others.length === 0 || (quota.spec?.scopes?.length ?? 0) > 0) return usages;
  const { resources } = await discoverResources(cluster.client, signal);
  for (const type of resources.filter((one) => others.some((name) => concernsResource(name, one))))
    usages.push(...(await listUsages(cluster, type, namespace, signal)));
  return usages;
}

async function listUsages(
  cluster: ReconcileCluster,
  type: ResourceType,
  namespace: string,
  signal: AbortSignal,
): Promise<ReturnType<typeof usageOf>[]> {
  try {
    const { items } = await cluster.client.list(type, { namespace, metadataOnly: true }, signal);
    return items.map((object) => usageOf(type, object));
  } catch (error) {
    // The definition went away between the question and the answer.
    if (error instanceof StatusError && error.code === 404) return [];
    throw new Error(`could not count ${type.plural} of ${apiVersionOf(type)}`, { cause: error });
  }
}

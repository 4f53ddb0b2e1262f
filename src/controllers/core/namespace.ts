/** Namespaces: empties those that are being deleted, reports in conditions what delays them, then finalizes them. */
import { type KubeObject, keyOf } from '../../api/meta.ts';
import { Namespace } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import { withCondition } from '../conditions.ts';

/** What is still in a namespace, by resource. */
export interface Remains {
  /** `pods` or `widgets.example.com` → objects left. */
  resources: ReadonlyMap<string, number>;
  finalizers: ReadonlyMap<string, number>;
  discoveryFailures: readonly string[];
  contentFailures: readonly string[];
}

const finalizer = 'kubernetes';
/** Growing intervals between checks of a namespace whose content takes its time to go. */
const lookAgain = { firstMs: 100, maxMs: 5_000 };

export const namespaceController = defineController({
  name: 'namespace',
  reconciles: Namespace,
  backoff: lookAgain,
  concerns: (namespace: Namespace) => namespace.metadata.deletionTimestamp !== undefined,
  async reconcile(key, cluster, signal) {
    const cached = cluster.get(Namespace, key);
    if (!cached || !isToBeEmptied(cached)) return;
    const fresh = () => cluster.client.get(Namespace, { name: key }, signal).catch(undefinedIfNotFound);
    // The cache may lag behind: if a namespace of the same name was created since, its content must not be deleted.
    const present = await fresh();
    if (present?.metadata.uid !== cached.metadata.uid || !isToBeEmptied(present)) return;
    const sinceMs = cluster.clock.now() - Date.parse(cached.metadata.deletionTimestamp!);
    const remains = await emptyNamespace(cluster.client, key, sinceMs, signal);
    const namespace = await fresh();
    if (namespace?.metadata.uid !== cached.metadata.uid) return;
    const now = formatTime(cluster.clock.now());
    const status = {
      ...namespace.status,
      phase: 'Terminating' as const,
      conditions: deletionConditions(namespace, remains, now),
    };
    const current = await cluster.updateStatus(Namespace, namespace, status, signal);
    if (isEmpty(remains)) await finalize(cluster, current, signal);
    else throw new NotEmptyYet(key);
  },
});

/** The namespace stays as long as it has this finalizer, and only this controller removes it. */
function isToBeEmptied({ metadata, spec }: Namespace): boolean {
  return metadata.deletionTimestamp !== undefined && (spec?.finalizers?.includes(finalizer) ?? false);
}

/** Makes the queue retry with growing delays; nothing has failed. */
class NotEmptyYet extends StatusError {
  constructor(name: string) {
    super(409, 'Conflict', `namespace ${name} still has content`);
  }
}

function isEmpty({ resources, discoveryFailures, contentFailures }: Remains): boolean {
  return resources.size === 0 && discoveryFailures.length === 0 && contentFailures.length === 0;
}

/**
 * Requests the deletion of everything that is not being deleted yet. Pods come first, since they may still use the
 * rest.
 */
async function emptyNamespace(
  client: Client,
  namespace: string,
  sinceMs: number,
  signal: AbortSignal,
): Promise<Remains> {
  const { resources: all, failures } = await discoverResources(client, signal);
  const deletable = all.filter(
    ({ namespaced, verbs, isView }) =>
      namespaced && !isView && verbs.includes('list') && verbs.includes('delete'),
  );
  const isPods = ({ group, plural }: DiscoveredResource) => group === '' && plural === 'pods';
  const resources = new Map<string, number>();
  const finalizers = new Map<string, number>();
  const contentFailures: string[] = [];

  const empty = async (resource: DiscoveredResource) => {
    const name = resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
    try {
      const left = await emptyResource(client, resource, namespace, signal);
      if (left.length > 0) resources.set(name, left.length);
      if (isUnexpected(resource, left, sinceMs))
        contentFailures.push(
          `unexpected items still remain in namespace: ${namespace} for gvr: ${resource.group}/${resource.version}, Resource=${resource.plural}`,
        );
      for (const object of left)
        for (const one of object.metadata.finalizers ?? [])
          finalizers.set(one, (finalizers.get(one) ?? 0) + 1);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StatusError && [404, 405].includes(error.code)) return;
      contentFailures.push(`${name}: ${(error as Error).message}`);
    }
  };
  await Promise.all(deletable.filter(isPods).map(empty));
  if (resources.size === 0) await Promise.all(deletable.filter((one) => !isPods(one)).map(empty));
  const discoveryFailures = [...failures].map(([version, error]) => `${version}: ${error.message}`);
  return { resources, finalizers, discoveryFailures, contentFailures };
}

/** Objects without finalizers should be gone: at once, or for pods when their grace period is over. */
export function isUnexpected(
  resource: DiscoveredResource,
  left: readonly KubeObject[],
  sinceMs: number,
): boolean {
  if (left.length === 0 || left.some((object) => (object.metadata.finalizers ?? []).length > 0)) return false;
  const graceSeconds = left.map((object) => object.metadata.deletionGracePeriodSeconds ?? 0);
  const isPods = resource.group === '' && resource.plural === 'pods';
  return sinceMs >= (isPods ? Math.max(...graceSeconds) * 1000 : 0);
}

async function emptyResource(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  const query = { namespace, metadataOnly: true };
  const { items } = await client.list(resource, query, signal);
  const untouched = items.filter((object) => !object.metadata.deletionTimestamp);
  if (untouched.length === 0) return items;
  if (resource.verbs.includes('deletecollection')) {
    await client.deleteCollection(resource, { namespace }, { propagationPolicy: 'Background', signal });
  } else {
    for (const { metadata } of untouched)
      await client
        .delete(resource, metadata, { propagationPolicy: 'Background', signal })
        .catch(undefinedIfNotFound);
  }
  return (await client.list(resource, query, signal)).items;
}

interface DeletionCheck {
  type: string;
  failed: { reason: string; message: (remains: Remains) => string };
  passed: { reason: string; message: string };
}

/** What the conditions of a terminating namespace show, in upstream's words. An empty message: the check passed. */
const deletionChecks: readonly DeletionCheck[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    failed: {
      reason: 'DiscoveryFailed',
      message: ({ discoveryFailures: { length }, discoveryFailures }) =>
        length > 0
          ? `Discovery failed for some groups, ${length} failing: ${discoveryFailures.join(', ')}`
          : '',
    },
    passed: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' },
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    failed: { reason: 'GroupVersionParsingFailed', message: () => '' },
    passed: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
  },
  {
    type: 'NamespaceDeletionContentFailure',
    failed: {
      reason: 'ContentDeletionFailed',
      message: ({ contentFailures: { length }, contentFailures }) =>
        length > 0
          ? `Failed to delete all resource types, ${length} remaining: ${contentFailures.join(', ')}`
          : '',
    },
    passed: {
      reason: 'ContentDeleted',
      message: 'All content successfully deleted, may be waiting on finalization',
    },
  },
  {
    type: 'NamespaceContentRemaining',
    failed: {
      reason: 'SomeResourcesRemain',
      message: ({ resources }) =>
        listed('Some resources are remaining', resources, (name, count) => {
          const dotted = name.includes('.') ? name : `${name}.`;
          return `${dotted} has ${count} resource instances`;
        }),
    },
    passed: { reason: 'ContentRemoved', message: 'All content successfully removed' },
  },
  {
    type: 'NamespaceFinalizersRemaining',
    failed: {
      reason: 'SomeFinalizersRemain',
      message: ({ finalizers }) =>
        listed(
          'Some content in the namespace has finalizers remaining',
          finalizers,
          (name, count) => `${name} in ${count} resource instances`,
        ),
    },
    passed: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
  },
];

/** Sorted by name; empty when there is none. */
function listed(
  title: string,
  counts: ReadonlyMap<string, number>,
  describe: (name: string, count: number) => string,
): string {
  if (counts.size === 0) return '';
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${title}: ${sorted.map(([name, count]) => describe(name, count)).join(', ')}`;
}

export function deletionConditions(
  namespace: Namespace,
  remains: Remains,
  now: string,
): core.NamespaceCondition[] {
  let conditions = namespace.status?.conditions ?? [];
  for (const { type, failed, passed } of deletionChecks) {
    const message = failed.message(remains);
    const condition = message
      ? { type, status: 'True', reason: failed.reason, message }
      : { type, status: 'False', ...passed };
    conditions = withCondition(conditions, condition, now);
  }
  return conditions;
}

async function finalize(cluster: ReconcileCluster, namespace: Namespace, signal: AbortSignal): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((one) => one !== finalizer);
  const spec = { ...namespace.spec, finalizers };
  await cluster.client
    .update(Namespace, { ...namespace, spec }, { subresource: 'finalize', signal })
    .catch(undefinedIfNotFound);
  cluster.logger.debug('namespace emptied', { namespace: keyOf(namespace) });
}

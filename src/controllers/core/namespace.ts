/** Namespaces: empties those that are being deleted, reports in conditions what delays them, then finalizes them. */
import { type KubeObject, keyOf } from '../../api/meta.ts';
import { Namespace } from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { StatusError, undefinedIfNotFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { defineController } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { type DiscoveredResource, discoverResources } from '../../client/discovery.ts';
import {
  deletionConditions,
  type Emptied,
  isEmpty,
  isToBeEmptied,
  namespaceFinalizer,
  planDeletion,
  planTurns,
  type Remains,
  remainsOf,
} from './namespace-plan.ts';

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

/** Makes the queue retry with growing delays; nothing has failed. */
class NotEmptyYet extends StatusError {
  constructor(name: string) {
    super(409, 'Conflict', `namespace ${name} still has content`);
  }
}

/** Requests the deletion of everything that is not being deleted yet; `sinceMs`: how long ago that of the namespace was. */
async function emptyNamespace(
  client: Client,
  namespace: string,
  sinceMs: number,
  signal: AbortSignal,
): Promise<Remains> {
  const { resources, failures } = await discoverResources(client, signal);
  const emptied: Emptied[] = [];
  const remains = () => remainsOf(namespace, emptied, failures, sinceMs);
  for (const turn of planTurns(resources)) {
    if (remains().resources.size > 0) break;
    emptied.push(
      ...(await Promise.all(turn.map((resource) => emptyResource(client, resource, namespace, signal)))),
    );
  }
  return remains();
}

async function emptyResource(
  client: Client,
  resource: DiscoveredResource,
  namespace: string,
  signal: AbortSignal,
): Promise<Emptied> {
  const items = async () =>
    (await client.list(resource, { namespace, metadataOnly: true }, signal)).items as readonly KubeObject[];
  const options = { propagationPolicy: 'Background', signal } as const;
  try {
    const present = await items();
    const deletion = planDeletion(resource, present);
    if (!deletion) return { resource, outcome: { left: present } };
    if (deletion === 'all') await client.deleteCollection(resource, { namespace }, options);
    else
      for (const { metadata } of deletion.each)
        await client.delete(resource, metadata, options).catch(undefinedIfNotFound);
    return { resource, outcome: { left: await items() } };
  } catch (error) {
    signal.throwIfAborted();
    return { resource, outcome: { error: error as Error } };
  }
}

async function finalize(cluster: ReconcileCluster, namespace: Namespace, signal: AbortSignal): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((one) => one !== namespaceFinalizer);
  const spec = { ...namespace.spec, finalizers };
  await cluster.client
    .update(Namespace, { ...namespace, spec }, { subresource: 'finalize', signal })
    .catch(undefinedIfNotFound);
  cluster.logger.debug('namespace emptied', { namespace: keyOf(namespace) });
}

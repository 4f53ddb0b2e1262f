/**
 * Tokens that were made for service accounts in Secrets, as clusters did before 1.24, and that nobody has used for a year,
 * are marked as invalid, and deleted when another year has passed. Tokens that someone asked for stay.
 */
import {
  dayMs,
  dayOf,
  invalidSinceLabel,
  lastUsedLabel,
  startOfDay,
  trackedSinceKey,
  trackingConfigMap,
} from '../../api/core/legacy-token.ts';
import { podReferences } from '../../api/core/pod/pod-references.ts';
import { ConfigMap, Pod, Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { isConflict, undefinedIfNotFound } from '../../api/status.ts';
import { pause } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';

const checkIntervalMs = dayMs;
const unusedMs = 365 * dayMs;
const tokenType = 'kubernetes.io/service-account-token';
const accountAnnotation = 'kubernetes.io/service-account.name';
const accountUidAnnotation = 'kubernetes.io/service-account.uid';

/** What else there is that has a say in a token. */
export interface TokenSurroundings {
  account: ServiceAccount | undefined;
  isMounted(): boolean;
  nowMs: number;
}

export async function runLegacyTokenCleaner(
  { client, informers, clock, logger: parent }: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const secrets = informers.of(Secret);
  const accounts = informers.of(ServiceAccount);
  const pods = informers.of(Pod);
  const logger = parent.for('legacy-token-cleaner');
  await informers.synced();
  for (; !signal.aborted; await pause(clock, checkIntervalMs, signal)) {
    const nowMs = clock.now();
    const since = await readTrackedSince(client, signal).catch((error: unknown) => {
      // The next round asks again: a store that is away for a moment must not end this for good.
      if (!signal.aborted) logger.warn('since when uses of tokens are noted cannot be read', { error });
      return undefined;
    });
    if (!isTrackedLongEnough(since, nowMs)) continue;
    for (const secret of [...secrets.list()]) {
      if (secret.type !== tokenType) continue;
      const { namespace = '', name } = secret.metadata;
      const account = accounts.get(`${namespace}/${secret.metadata.annotations?.[accountAnnotation]}`);
      const isMounted = () =>
        [...pods.inNamespace(namespace)].some((pod) => podReferences(pod).secrets.includes(name));
      const plan = planToken(secret, { account, isMounted, nowMs });
      try {
        if (plan === 'invalidate') await invalidate(client, secret, { nowMs, signal });
        if (plan === 'delete') await remove(client, secret, signal);
      } catch (error) {
        // Another change of it may mean that it is used: the next round sees.
        if (!isConflict(error) && !signal.aborted)
          logger.warn('an unused token stays', { namespace, name, error });
      }
    }
  }
}

async function readTrackedSince(client: Client, signal: AbortSignal): Promise<string | undefined> {
  const at = { namespace: 'kube-system', name: trackingConfigMap };
  const tracking = await client.get(ConfigMap, at, signal).catch(undefinedIfNotFound);
  return tracking?.data?.[trackedSinceKey];
}

async function invalidate(
  client: Client,
  { metadata }: Secret,
  { nowMs, signal }: { nowMs: number; signal: AbortSignal },
): Promise<void> {
  const { namespace = '', name, uid } = metadata;
  const patch = { metadata: { uid, labels: { [invalidSinceLabel]: dayOf(nowMs) } } };
  await client
    .patch(Secret, { namespace, name }, patch, { type: 'merge', signal })
    .catch(undefinedIfNotFound);
}

async function remove(client: Client, { metadata }: Secret, signal: AbortSignal): Promise<void> {
  const { namespace = '', name, resourceVersion } = metadata;
  await client
    .delete(Secret, { namespace, name }, { preconditions: { resourceVersion }, signal })
    .catch(undefinedIfNotFound);
}

/** The day itself does not count: uses may have been noted from its end on. */
export function isTrackedLongEnough(since: string | undefined, nowMs: number): boolean {
  const sinceMs = startOfDay(since);
  return sinceMs !== undefined && nowMs >= sinceMs + dayMs + unusedMs;
}

export function planToken(
  { metadata }: Secret,
  { account, isMounted, nowMs }: TokenSurroundings,
): 'keep' | 'invalidate' | 'delete' {
  const { labels = {}, creationTimestamp, deletionTimestamp } = metadata;
  if (deletionTimestamp || Date.parse(creationTimestamp) >= nowMs - unusedMs) return 'keep';
  const oldest = dayOf(nowMs - unusedMs);
  const used = labels[lastUsedLabel];
  // A note that cannot be read says nothing.
  if (used !== undefined && (startOfDay(used) === undefined || used >= oldest)) return 'keep';
  if (!account || !belongsTo(account, metadata) || isMounted()) return 'keep';
  const invalidSince = labels[invalidSinceLabel];
  if (startOfDay(invalidSince) === undefined) return 'invalidate';
  return invalidSince! >= oldest ? 'keep' : 'delete';
}

/** Only tokens that the cluster made are named by their account. */
function belongsTo({ metadata, secrets }: ServiceAccount, secret: Secret['metadata']): boolean {
  const uid = secret.annotations?.[accountUidAnnotation];
  return (!uid || uid === metadata.uid) && (secrets ?? []).some(({ name }) => name === secret.name);
}

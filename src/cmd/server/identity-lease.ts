/**
 * The lease in `kube-system` by which clients, and other servers, see that this API server is alive, and the removal of
 * those of servers that are no more.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { ObjectMeta } from '../../api/meta.ts';
import { Lease } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import { keepLease } from '../../client/kept-lease.ts';

export interface IdentityLeaseOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  /** Tells this server from others of the cluster, and stays the same when it is started again. */
  serverId: string;
  hostname: string;
}

const namespace = 'kube-system';
const labels = { identity: 'apiserver.kubernetes.io/identity', hostname: 'kubernetes.io/hostname' };
const component = 'kube-apiserver';
/** Upstream's, all of them. */
const durationSeconds = 3600;
const renewalSeconds = 10;
const cleanupSeconds = 3600;

/** Until the signal aborts. */
export async function keepIdentityLease(options: IdentityLeaseOptions, signal: AbortSignal): Promise<void> {
  const { serverId, hostname, ...shared } = options;
  const name = leaseNameOf(serverId);
  const complete = <Metadata extends Partial<ObjectMeta>>(metadata: Metadata): Metadata => ({
    ...metadata,
    labels: { ...metadata.labels, [labels.identity]: component, [labels.hostname]: hostname },
  });
  const identity = `${name}_${randomUUID()}`;
  const lease = { namespace, name, identity, durationSeconds, renewalSeconds, complete };
  await Promise.all([keepLease({ ...shared, ...lease }, signal), removeExpired(options, signal)]);
}

/** As upstream's: `apiserver-` and 128 bits of a hash, in letters and digits. */
export function leaseNameOf(serverId: string): string {
  const bytes = createHash('sha256').update(serverId).digest().subarray(0, 16);
  return `apiserver-${base32(bytes)}`;
}

function base32(bytes: Uint8Array): string {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567';
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => digits[Number.parseInt(five.padEnd(5, '0'), 2)])
    .join('');
}

async function removeExpired(
  { client, clock, logger }: IdentityLeaseOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await pause(clock, cleanupSeconds * 1000, signal);
    if (signal.aborted) return;
    try {
      const labelSelector = `${labels.identity}=${component}`;
      const { items } = await client.list(Lease, { namespace, labelSelector }, signal);
      const expired = items.filter(({ spec }) => isExpired(spec, clock.now()));
      await Promise.all(expired.map((lease) => remove(client, lease)));
    } catch (error) {
      logger.debug('leases of earlier servers could not be removed', { error });
    }
  }
}

/** Unless it has been renewed after all. */
async function remove(client: Client, { metadata }: Lease): Promise<void> {
  const { name, uid, resourceVersion } = metadata;
  await client
    .delete(Lease, { namespace, name }, { preconditions: { uid, resourceVersion } })
    .catch(undefinedIfNotFound);
}

function isExpired(spec: Lease['spec'], nowMs: number): boolean {
  const { renewTime, leaseDurationSeconds } = spec ?? {};
  if (!renewTime || leaseDurationSeconds === undefined) return true;
  return Date.parse(renewTime) + leaseDurationSeconds * 1000 < nowMs;
}

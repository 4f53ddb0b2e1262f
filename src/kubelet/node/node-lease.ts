/** The node's heartbeat: a lease that it renews. */
import type { ObjectMeta } from '../../api/meta.ts';
import type { Node } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';
import { keepLease } from '../../client/kept-lease.ts';

export interface NodeLeaseOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** The Node object, which owns the lease. */
  node: () => Node | undefined;
}

const namespace = 'kube-node-lease';
/** Upstream's, both. */
const durationSeconds = 40;
const renewalSeconds = 10;

/** Renews until the signal aborts. */
export function keepNodeLease(
  { nodeName, node, ...options }: NodeLeaseOptions,
  signal: AbortSignal,
): Promise<void> {
  /** The first lease may be older than the Node object: it gets its owner at a renewal. */
  const owned = <Metadata extends Partial<ObjectMeta>>(metadata: Metadata): Metadata => {
    const owner = node();
    if (!owner || metadata.ownerReferences?.length) return metadata;
    const reference = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: owner.metadata.uid };
    return { ...metadata, ownerReferences: [reference] };
  };
  const lease = { namespace, name: nodeName, identity: nodeName, durationSeconds, renewalSeconds };
  return keepLease({ ...options, ...lease, complete: owned }, signal);
}

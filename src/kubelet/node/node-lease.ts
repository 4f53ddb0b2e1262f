/** The node's heartbeat: a lease that it renews. */
import { Lease, type Node } from '../../api/resources.gen.ts';
import { formatMicroTime } from '../../api/schema/time.ts';
import { isAlreadyExists } from '../../api/status.ts';
import { backoffDelayMs } from '../../base/async/backoff.ts';
import { type Clock, pause } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Client } from '../../client/client.ts';

export interface NodeLeaseOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  nodeName: string;
  /** The Node object, which owns the lease. */
  node: () => Node | undefined;
  durationSeconds?: number;
}

const namespace = 'kube-node-lease';
const retry = { firstMs: 200, maxMs: 7_000 };

/** Renews until the signal aborts; waits for a server that is unavailable. */
export async function keepNodeLease(options: NodeLeaseOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, logger, nodeName, node, durationSeconds = 40 } = options;
  let held: Lease | undefined;
  let attempt = 0;
  const spec = () => ({
    holderIdentity: nodeName,
    leaseDurationSeconds: durationSeconds,
    renewTime: formatMicroTime(clock.now()),
  });
  /** The first lease may be older than the Node object: it gets its owner at a renewal. */
  const owned = <M extends Partial<Lease['metadata']>>(metadata: M): M => {
    const owner = node();
    if (!owner || metadata.ownerReferences?.length) return metadata;
    const reference = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: owner.metadata.uid };
    return { ...metadata, ownerReferences: [reference] };
  };
  const renewed = ({ metadata, ...lease }: Lease): Promise<Lease> =>
    client.update(
      Lease,
      { ...lease, metadata: owned(metadata), spec: { ...lease.spec, ...spec() } },
      { signal },
    );
  const renew = async (): Promise<Lease> => {
    if (held) return renewed(held);
    try {
      const metadata = owned({ name: nodeName, namespace });
      return await client.create(Lease, { metadata, spec: spec() }, { signal });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return renewed(await client.get(Lease, { namespace, name: nodeName }, signal));
    }
  };
  while (!signal.aborted) {
    let waitMs = (durationSeconds / 4) * 1000;
    try {
      held = await renew();
      attempt = 0;
    } catch (error) {
      if (signal.aborted) return;
      held = undefined;
      waitMs = backoffDelayMs(retry, Math.min(attempt++, 10));
      logger.debug('the node lease could not be renewed', { error });
    }
    await pause(clock, waitMs, signal);
  }
}

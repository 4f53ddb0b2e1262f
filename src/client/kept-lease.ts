/** A lease by which a process shows that it is alive: it renews it, and nobody else wants it. */
import type { ObjectMeta } from '../api/meta.ts';
import { Lease } from '../api/resources.gen.ts';
import { formatMicroTime } from '../api/schema/time.ts';
import { isAlreadyExists } from '../api/status.ts';
import { backoffDelayMs } from '../base/async/backoff.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Client } from './client.ts';

export interface KeptLeaseOptions {
  client: Client;
  clock: Clock;
  logger: Logger;
  namespace: string;
  name: string;
  /** Who renews it. */
  identity: string;
  /** Others may take the process for dead when it has not renewed for this long. */
  durationSeconds: number;
  renewalSeconds: number;
  /** The same metadata, with what this lease is to have. */
  complete<Metadata extends Partial<ObjectMeta>>(metadata: Metadata): Metadata;
}

const retry = { firstMs: 200, maxMs: 7_000 };

/** Renews until the signal aborts; waits for a server that is unavailable. */
export async function keepLease(options: KeptLeaseOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, logger, namespace, name, complete } = options;
  let held: Lease | undefined;
  let attempt = 0;
  const spec = () => ({
    holderIdentity: options.identity,
    leaseDurationSeconds: options.durationSeconds,
    renewTime: formatMicroTime(clock.now()),
  });
  const renewed = ({ metadata, ...lease }: Lease): Promise<Lease> =>
    client.update(
      Lease,
      { ...lease, metadata: complete(metadata), spec: { ...lease.spec, ...spec() } },
      { signal },
    );
  const renew = async (): Promise<Lease> => {
    if (held) return renewed(held);
    try {
      return await client.create(
        Lease,
        { metadata: complete({ name, namespace }), spec: spec() },
        { signal },
      );
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return renewed(await client.get(Lease, { namespace, name }, signal));
    }
  };
  while (!signal.aborted) {
    let waitMs = options.renewalSeconds * 1000;
    try {
      held = await renew();
      attempt = 0;
    } catch (error) {
      if (signal.aborted) return;
      held = undefined;
      waitMs = backoffDelayMs(retry, Math.min(attempt++, 10));
      logger.debug('a lease could not be renewed', { lease: `${namespace}/${name}`, error });
    }
    await pause(clock, waitMs, signal);
  }
}

/** Leader election: of several processes only the holder of a Lease acts. */

import { Lease } from '../api/resources.gen.ts';
import { formatMicroTime } from '../api/schema/time.ts';
import { undefinedIfNotFound } from '../api/status.ts';
import { unlessAborted } from '../base/async/unless-aborted.ts';
import { type Clock, pause } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { type MetricsRegistry, metricsPerRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from './client.ts';

export interface LeaderElectionOptions {
  client: Client;
  clock: Clock;
  random: Random;
  logger: Logger;
  lease: { namespace: string; name: string };
  /** Names this process among all that stand for election. */
  identity: string;
  /** Others take over when the holder has been silent for this long. */
  leaseDurationMs?: number;
  /** The holder gives up when it could not renew for this long. */
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
  metrics?: MetricsRegistry;
}

const masterStatusOf = metricsPerRegistry((registry) =>
  registry.gauge(
    'leader_election_master_status',
    'Whether this process holds the lease of that name: 1, or 0 while it stands by.',
  ),
);

/**
 * Waits for the lease, then runs `lead` with a signal that aborts when the lease is lost, and becomes a candidate
 * again. Returns when `signal` aborts, and releases the lease then.
 */
export async function runWhileLeading(
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger, random, retryPeriodMs = 2_000, renewDeadlineMs = 10_000 } = options;
  const election = new Election(options);
  const status = masterStatusOf(options.metrics);
  const { name } = options.lease;
  status.set(0, { name });
  const untilRetry = () => pause(clock, retryPeriodMs * (1 + 0.2 * random.next()), signal);
  while (!signal.aborted) {
    const isLeading = await election.tryToHold(renewDeadlineMs);
    // A stop that came while the server was asked has no term to end: its event is over.
    if (signal.aborted) return isLeading ? await election.release() : undefined;
    if (!isLeading) {
      await untilRetry();
      continue;
    }
    logger.info('leading', { lease: options.lease.name, identity: options.identity });
    status.set(1, { name });
    const term = new AbortController();
    const end = () => term.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const work = lead(term.signal);
    // A leader that fails must not keep the lease; the error itself is thrown below.
    work.catch((error: unknown) => term.abort(error));
    await election.renewWhile(term.signal, { untilRetry, renewDeadlineMs });
    signal.removeEventListener('abort', end);
    if (!term.signal.aborted) logger.error('lost the lease', { lease: options.lease.name });
    term.abort(new Error('the lease was lost'));
    status.set(0, { name });
    await work;
    if (signal.aborted) await election.release();
  }
}

class Election {
  readonly #options: LeaderElectionOptions;
  /** The lease as last seen, and when it was first seen so: only our own clock counts for its age. */
  #seen: { resourceVersion: string; atMs: number } | undefined;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
  }

  /**
   * Takes or renews the lease; false when another holds it, the server says no, or it does not answer in time: a holder
   * that waited for it any longer would lead on while others take over.
   */
  async tryToHold(timeoutMs: number): Promise<boolean> {
    const timeout = new AbortController();
    const timer = this.#options.clock.after(timeoutMs, () => timeout.abort(new Error('no answer in time')));
    let holds = false;
    const asking = this.#askFor(timeout.signal).then((answer) => {
      holds = answer;
    });
    await unlessAborted(asking, timeout.signal);
    timer.cancel();
    return holds;
  }

  async #askFor(signal: AbortSignal): Promise<boolean> {
    const { client, clock, lease, identity, logger, leaseDurationMs = 15_000 } = this.#options;
    const now = formatMicroTime(clock.now());
    const leaseDurationSeconds = Math.round(leaseDurationMs / 1000);
    try {
      const current = await client.get(Lease, lease, signal).catch(undefinedIfNotFound);
      if (!current) {
        const spec = {
          holderIdentity: identity,
          leaseDurationSeconds,
          acquireTime: now,
          renewTime: now,
          leaseTransitions: 0,
        };
        await client.create(Lease, { metadata: { ...lease }, spec }, { signal });
        return true;
      }
      const { resourceVersion } = current.metadata;
      if (this.#seen?.resourceVersion !== resourceVersion)
        this.#seen = { resourceVersion, atMs: clock.monotonic() };
      const holder = current.spec?.holderIdentity;
      const isOurs = holder === identity;
      const isFresh = clock.monotonic() - this.#seen.atMs < leaseDurationMs;
      if (holder && !isOurs && isFresh) return false;
      const spec = {
        ...current.spec,
        holderIdentity: identity,
        leaseDurationSeconds,
        renewTime: now,
        ...(!isOurs && {
          acquireTime: now,
          leaseTransitions: (current.spec?.leaseTransitions ?? 0) + 1,
        }),
      };
      await client.update(Lease, { ...current, spec }, { signal });
      return true;
    } catch (error) {
      logger.debug('could not take the lease', { lease: lease.name, error });
      return false;
    }
  }

  /** Returns when the signal aborts or renewing failed for too long. */
  async renewWhile(
    signal: AbortSignal,
    { untilRetry, renewDeadlineMs }: { untilRetry(): Promise<void>; renewDeadlineMs: number },
  ): Promise<void> {
    const { clock } = this.#options;
    let renewedAtMs = clock.monotonic();
    while (!signal.aborted) {
      await untilRetry();
      if (signal.aborted) return;
      const leftMs = renewedAtMs + renewDeadlineMs - clock.monotonic();
      if (leftMs > 0 && (await this.tryToHold(leftMs))) renewedAtMs = clock.monotonic();
      else if (clock.monotonic() - renewedAtMs >= renewDeadlineMs) return;
    }
  }

  /** Lets the next one take over at once. */
  async release(): Promise<void> {
    const { client, clock, lease, identity, logger } = this.#options;
    try {
      const current = await client.get(Lease, lease);
      if (current.spec?.holderIdentity !== identity) return;
      const now = formatMicroTime(clock.now());
      const spec = { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now };
      await client.update(Lease, { ...current, spec });
    } catch (error) {
      logger.debug('could not give the lease back', { lease: lease.name, error });
    }
  }
}

/** Why there is no leader; undefined while there is one. The clocks of holders are assumed to agree with this one. */
export async function findVacancy({
  client,
  clock,
  lease,
}: Pick<LeaderElectionOptions, 'client' | 'clock' | 'lease'>): Promise<string | undefined> {
  const { spec } = (await client.get(Lease, lease).catch(undefinedIfNotFound)) ?? {};
  if (!spec?.holderIdentity || !spec.renewTime) return 'nobody holds its lease';
  const endsAtMs = Date.parse(spec.renewTime) + (spec.leaseDurationSeconds ?? 0) * 1000;
  return clock.now() < endsAtMs ? undefined : `its lease has not been renewed since ${spec.renewTime}`;
}

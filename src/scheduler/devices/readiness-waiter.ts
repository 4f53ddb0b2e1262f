/** Waits until the devices of claims are ready for their pod. */
import { ResourceClaim } from '../../api/resources.gen.ts';
import { notFound } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { Informer } from '../../client/informers/informer.ts';
import { overdueAtMs, readinessOf } from './binding-conditions.ts';

/** A device has failed, or took too long. */
export class NotReadyError extends Error {
  readonly status: 'failure' | 'timeout';
  constructor(status: 'failure' | 'timeout', message: string) {
    super(message);
    this.name = 'NotReadyError';
    this.status = status;
  }
}

export interface ReadinessWaiterOptions {
  claims: Informer<ResourceClaim>;
  clock: Clock;
  timeoutMs: number;
}

export class ReadinessWaiter {
  readonly #options: ReadinessWaiterOptions;
  /** Pods that wait for their claims check again at every change. */
  readonly #waiters = new Set<() => void>();

  constructor(options: ReadinessWaiterOptions) {
    this.#options = options;
    const lookAgain = () => {
      for (const check of [...this.#waiters]) check();
    };
    options.claims.handle({ added: lookAgain, updated: lookAgain, deleted: lookAgain });
  }

  /**
   * `written`: as the server answered. Resolves when all are ready; rejects when one is lost, gone or given back, or when
   * it takes too long.
   */
  untilReady(written: readonly ResourceClaim[], signal: AbortSignal): Promise<void> {
    const { claims, clock, timeoutMs } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const finish = (error?: Error) => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      this.#waiters.delete(check);
      if (error) reject(error);
      else resolve();
    };
    const waiting = new WaitingClaims(written, claims);
    const check = () => {
      const outcome = waiting.check();
      if (outcome === 'ready') finish();
      else if (outcome instanceof Error) finish(outcome);
    };
    const abort = () => finish(new Error('the scheduler stops'));
    const overdueInMs = Math.min(
      timeoutMs,
      ...written.map((claim) => overdueAtMs(claim, timeoutMs) - clock.now()),
    );
    const timer = clock.after(Math.max(0, overdueInMs), () =>
      finish(new NotReadyError('timeout', `device binding timeout: claim=${waiting.names().join()}`)),
    );
    signal.addEventListener('abort', abort, { once: true });
    this.#waiters.add(check);
    check();
    return promise;
  }
}

class WaitingClaims {
  /** The newest that is known of each. */
  readonly #waiting: Map<string, ResourceClaim>;
  readonly #lister: Informer<ResourceClaim>;
  /** Uids of claims that the cache has shown with devices: before, it lags behind what was written. */
  readonly #shown = new Set<string>();

  constructor(written: readonly ResourceClaim[], lister: Informer<ResourceClaim>) {
    this.#waiting = new Map(written.map((claim) => [claim.metadata.uid, claim]));
    this.#lister = lister;
  }

  names(): string[] {
    return [...this.#waiting.values()].map(({ metadata }) => metadata.name);
  }

  check(): 'ready' | 'waiting' | Error {
    for (const [uid, { metadata }] of this.#waiting) {
      const { namespace, name } = metadata;
      const cached = this.#lister.get(`${namespace}/${name}`);
      const current = cached?.metadata.uid === uid ? cached : undefined;
      if (current?.status?.allocation) {
        this.#shown.add(uid);
        this.#waiting.set(uid, current);
      } else if (this.#shown.has(uid))
        return current
          ? new Error(`claim ${namespace}/${name} got deallocated elsewhere in the meantime`)
          : notFound(ResourceClaim, name);
      const readiness = readinessOf(this.#waiting.get(uid)!);
      if (readiness === 'ready') this.#waiting.delete(uid);
      else if (readiness !== 'waiting') return new NotReadyError('failure', readiness.failure);
    }
    return this.#waiting.size === 0 ? 'ready' : 'waiting';
  }
}

/** Waits until claims for which a volume was chosen or requested are bound. */
import type { PersistentVolumeClaim } from '../../../api/resources.gen.ts';
import { isClaimBound, volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import type { Clock } from '../../../base/clock.ts';
import type { VolumeListers } from './volume-listers.ts';

export interface ClaimWaiterOptions extends Pick<VolumeListers, 'claims'> {
  clock: Clock;
  /** Ten minutes, as upstream, when absent. */
  bindTimeoutMs?: number;
}

export class ClaimWaiter {
  readonly #options: ClaimWaiterOptions;
  /** Pods that wait for their claims check again at every change. */
  readonly #waiters = new Set<() => void>();

  constructor(options: ClaimWaiterOptions) {
    this.#options = options;
    const lookAgain = () => {
      for (const check of [...this.#waiters]) check();
    };
    options.claims.handle({ updated: lookAgain, deleted: lookAgain });
  }

  /** Resolves when all claims are bound; rejects when one is gone or rejected, or when it takes too long. */
  untilBound(claims: readonly PersistentVolumeClaim[], signal: AbortSignal): Promise<void> {
    const { clock, bindTimeoutMs = 600_000 } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const finish = (error?: Error) => {
      timer.cancel();
      signal.removeEventListener('abort', abort);
      this.#waiters.delete(check);
      if (error) reject(error);
      else resolve();
    };
    const waiting = new WaitingClaims(claims, this.#options.claims);
    const check = () => {
      const outcome = waiting.check();
      if (outcome === 'bound') finish();
      else if (outcome instanceof Error) finish(new Error(`binding volumes: ${outcome.message}`));
    };
    const abort = () => finish(new Error('the scheduler stops'));
    const timer = clock.after(bindTimeoutMs, () =>
      finish(new Error('binding volumes: context deadline exceeded')),
    );
    signal.addEventListener('abort', abort, { once: true });
    this.#waiters.add(check);
    check();
    return promise;
  }
}

class WaitingClaims {
  readonly #waiting: Set<PersistentVolumeClaim>;
  readonly #lister: VolumeListers['claims'];
  /** Uids of claims that were seen to request a volume on a node. */
  readonly #asked = new Set<string>();

  constructor(claims: readonly PersistentVolumeClaim[], lister: VolumeListers['claims']) {
    this.#waiting = new Set(claims);
    this.#lister = lister;
  }

  check(): 'bound' | 'waiting' | Error {
    for (const claim of this.#waiting) {
      const { name, namespace, uid } = claim.metadata;
      const current = this.#lister.get(`${namespace}/${name}`);
      if (current?.metadata.uid !== uid) return new Error(`claim ${namespace}/${name} is gone`);
      const isAsked = current.metadata.annotations?.[volumeAnnotations.selectedNode] !== undefined;
      if (isClaimBound(current)) this.#waiting.delete(claim);
      else if (isAsked) this.#asked.add(uid);
      // The provisioner removed the annotation: it wants the pod to go elsewhere.
      else if (this.#asked.has(uid)) return new Error(`provisioning failed for PVC "${name}"`);
    }
    return this.#waiting.size === 0 ? 'bound' : 'waiting';
  }
}

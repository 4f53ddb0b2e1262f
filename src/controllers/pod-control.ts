/** Creating and deleting many pods at once, with the events that report it. */
import type { Draft, KubeObject } from '../api/meta.ts';
import { Pod } from '../api/resources.gen.ts';
import { isNamespaceTerminating, StatusError } from '../api/status.ts';
import { messageOf } from '../base/text/error-message.ts';
import type { ReconcileCluster } from '../client/controller/controller-cluster.ts';
import { OwnerGone } from '../client/controller/owner-check.ts';
import { type EventType, targetOf } from '../client/events/event-recorder.ts';
import type { Owner } from './adoption.ts';

/** Creates and deletes the pods of one owner, with the events that report it there. */
export class PodControl {
  readonly #cluster: ReconcileCluster;
  readonly #owner: Owner;
  readonly #signal: AbortSignal;

  constructor(cluster: ReconcileCluster, owner: Owner, signal: AbortSignal) {
    this.#cluster = cluster;
    this.#owner = owner;
    this.#signal = signal;
  }

  /** Records SuccessfulCreate or FailedCreate. @throws what the server answered */
  async create(pod: Draft<Pod>): Promise<Pod> {
    try {
      const created = await this.#cluster.create(Pod, pod, this.#signal);
      this.#record('Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
      return created;
    } catch (error) {
      if (!this.#signal.aborted && !isInVain(error))
        this.#record('Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
      throw error;
    }
  }

  /**
   * Records SuccessfulDelete or FailedDelete, and nothing for a pod that is already gone. With `onlyAsSeen` a pod that
   * has changed since the cache saw it stays: the change itself triggers the next reconcile.
   * @throws what the server answered
   */
  async delete(pod: Pod, { onlyAsSeen = false }: { onlyAsSeen?: boolean } = {}): Promise<void> {
    const { uid, resourceVersion } = pod.metadata;
    const preconditions = onlyAsSeen ? { uid, resourceVersion } : { uid };
    try {
      if (await this.#cluster.delete(Pod, pod, this.#signal, { preconditions }))
        this.#record('Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
    } catch (error) {
      if (onlyAsSeen && error instanceof StatusError && error.reason === 'Conflict') return;
      if (!this.#signal.aborted)
        this.#record('Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
      throw error;
    }
  }

  #record(type: EventType, reason: string, message: string): void {
    this.#cluster.event(targetOf(this.#owner.type, this.#owner.object), type, reason, message);
  }
}

/** The outcome of a batch: how many succeeded, and the first failure. */
export interface BatchOutcome {
  succeeded: number;
  failure?: unknown;
}

/**
 * Calls `act` for 1, 2, 4, … items at a time, and stops after a batch in which one failed: a quota that is used up
 * or a template that is refused costs a few requests, not hundreds.
 */
export async function slowStart<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<unknown>,
): Promise<BatchOutcome> {
  let succeeded = 0;
  for (let start = 0, size = 1; start < items.length; start += size, size *= 2) {
    if (start > 0 && size > items.length - start) size = items.length - start;
    const outcome = await allAtOnce(items.slice(start, start + size), act);
    succeeded += outcome.succeeded;
    if (outcome.failure !== undefined) return { succeeded, failure: outcome.failure };
  }
  return { succeeded };
}

export async function allAtOnce<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<unknown>,
): Promise<BatchOutcome> {
  const results = await Promise.allSettled(items.map(act));
  const failed = results.find((result) => result.status === 'rejected');
  const succeeded = results.filter((result) => result.status === 'fulfilled').length;
  return failed ? { succeeded, failure: failed.reason } : { succeeded };
}

/** The namespace or the owner is being deleted: nothing more can be created, and no event is needed. */
export function isInVain(error: unknown): boolean {
  return error instanceof OwnerGone || isNamespaceTerminating(error);
}

/** Oldest first; objects of the same second are ordered by name. */
export function byCreation(a: KubeObject, b: KubeObject): number {
  const [left, right] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

/** Creating and deleting pods, with the events that report it. */
import type { Draft } from '../../api/meta.ts';
import { Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { isInVain } from '../../client/controller/owner-check.ts';
import { type EventType, targetOf } from '../../client/events/event-recorder.ts';
import type { Owner } from '../adoption.ts';

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

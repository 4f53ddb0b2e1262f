/** Why a pod is to end on this node, and how much time it has for that. */
import type { Pod } from '../../../api/resources.gen.ts';
import type { PodVerdict } from '../status/pod-status.ts';

/** Ends a pod for an external reason. */
export interface Eviction extends PodVerdict {
  graceSeconds: number;
}

const defaultGraceSeconds = 30;

export function specifiedGraceSeconds(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
}

export class PodEnd {
  /** The API object, or the static pod's file, is gone. */
  isRemoved = false;
  /** None of its containers runs, and none will start again. */
  hasEnded = false;
  #eviction: Eviction | undefined;
  #failure: PodVerdict | undefined;
  /** As requested by each deletion; the shortest counts. */
  #graceSeconds: number | undefined;
  readonly #interrupt = new AbortController();
  readonly #hurry = new AbortController();

  /** Aborted when the pod is to end: whatever takes long is cut short. */
  get interrupt(): AbortSignal {
    return this.#interrupt.signal;
  }
  /** Aborted when its grace period is cut short. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }
  /** The reason in its status; a pod that was deleted or ended by itself has none. */
  get verdict(): PodVerdict | undefined {
    return this.#eviction ?? this.#failure;
  }

  isDue(pod: Pod): boolean {
    return (
      this.isRemoved ||
      pod.metadata.deletionTimestamp !== undefined ||
      this.verdict !== undefined ||
      this.hasEnded
    );
  }

  graceSeconds(pod: Pod): number {
    return this.#graceSeconds ?? this.#eviction?.graceSeconds ?? specifiedGraceSeconds(pod);
  }

  noteDeletion(graceSeconds: number): void {
    this.#interrupt.abort();
    if (this.#graceSeconds !== undefined && graceSeconds < this.#graceSeconds && graceSeconds <= 1)
      this.#hurry.abort();
    this.#graceSeconds = Math.min(this.#graceSeconds ?? graceSeconds, graceSeconds);
  }

  /** False: it has already been evicted. */
  evict(eviction: Eviction): boolean {
    if (this.#eviction) return false;
    this.#eviction = { ...eviction, yieldsToSuccess: true };
    this.#interrupt.abort();
    return true;
  }

  /** The node does not admit the pod, or its deadline has passed. */
  fail(verdict: PodVerdict): void {
    this.#failure = verdict;
  }

  /** Whatever the reason, the pod is ending now. */
  begin(): void {
    this.#interrupt.abort();
  }
}

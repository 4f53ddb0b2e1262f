/** Why a pod is to end on this node, and how much time it has for that. */
import type { Pod } from '../../../api/resources.gen.ts';
import type { PodVerdict } from '../status/pod-status.ts';

/** Ends a pod for an external reason. */
export interface Eviction extends PodVerdict {
  graceSeconds: number;
}

const defaultGraceSeconds = 30;
/** Nothing ends without a chance to end by itself, not even what is deleted by force. */
const graceMinSeconds = 1;

/** Tells what is stopping already that it has less time than it began with. */
export interface GraceCuts {
  /** `cut` is called with the seconds that are left from then on; returns how to listen no longer. */
  listen(cut: (leftSeconds: number) => void): () => void;
}

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
  /** As requested by each deletion and by an eviction; the shortest counts. */
  #graceSeconds: number | undefined;
  readonly #interrupt = new AbortController();
  readonly #listeners = new Set<(leftSeconds: number) => void>();
  readonly cuts: GraceCuts = {
    listen: (cut) => {
      this.#listeners.add(cut);
      return () => void this.#listeners.delete(cut);
    },
  };

  /** Aborted when the pod is to end: whatever takes long is cut short. */
  get interrupt(): AbortSignal {
    return this.#interrupt.signal;
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
    return this.#graceSeconds ?? Math.max(specifiedGraceSeconds(pod), graceMinSeconds);
  }

  /** Its deletion was asked for, with that grace. */
  noteDeletion(graceSeconds: number): void {
    this.#giveAtMost(graceSeconds);
  }

  #giveAtMost(graceSeconds: number): void {
    this.#interrupt.abort();
    const seconds = Math.max(graceSeconds, graceMinSeconds);
    if (this.#graceSeconds !== undefined && seconds >= this.#graceSeconds) return;
    this.#graceSeconds = seconds;
    for (const cut of [...this.#listeners]) cut(seconds);
  }

  /** False: it has already been evicted. */
  evict(eviction: Eviction): boolean {
    if (this.#eviction) return false;
    this.#eviction = { ...eviction, yieldsToSuccess: true };
    this.#giveAtMost(eviction.graceSeconds);
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

/**
 * Decisions about claims whose binding is under way. Pods scheduled together may share a claim that has no volume yet:
 * the decision for the first of them holds for all, or the claim would be requested in two places.
 */

/** A volume, or (when undefined) a new one on the node. */
export interface ClaimDecision {
  nodeName: string;
  volumeName: string | undefined;
}

interface UnderWay extends ClaimDecision {
  /** The number of pods that rely on it. */
  pods: number;
  announced: Promise<void> | undefined;
}

export class ClaimsUnderWay {
  /** By the claim's uid. */
  readonly #decisions = new Map<string, UnderWay>();

  of(uid: string): ClaimDecision | undefined {
    return this.#decisions.get(uid);
  }

  /** Names of the promised volumes. */
  volumes(): Set<string> {
    const names = new Set<string>();
    for (const { volumeName } of this.#decisions.values())
      if (volumeName !== undefined) names.add(volumeName);
    return names;
  }

  /** Another pod relies on the decision; an existing decision stays as it is. */
  join(uid: string, decision: ClaimDecision): void {
    const known = this.#decisions.get(uid);
    if (known) known.pods++;
    else this.#decisions.set(uid, { ...decision, pods: 1, announced: undefined });
  }

  /** Reverts one {@link join}. */
  leave(uid: string): void {
    const known = this.#decisions.get(uid);
    if (known && --known.pods === 0) this.#decisions.delete(uid);
  }

  /** The first pod makes the request; its outcome is the outcome for all. */
  announced(uid: string, announce: () => Promise<void>): Promise<void> {
    const known = this.#decisions.get(uid);
    if (!known) return announce();
    known.announced ??= announce();
    return known.announced;
  }
}

/** Pods that wait for the victims of their preemption, until each of these is gone, terminating, or known to stay. */

/** What has become of a victim; `stays`: it could not be evicted. */
export type VictimState = 'gone' | 'going' | 'stays';

/** Of several victims, the state that stands last here decides what their preemptor does. */
const bySeverity: readonly VictimState[] = ['gone', 'going', 'stays'];

export class AwaitedVictims<Preemptor> {
  /** By the uid of the victim. */
  readonly #preemptors = new Map<string, Set<Preemptor>>();
  readonly #left = new Map<Preemptor, { count: number; worst: VictimState }>();

  /** `victims`: their uids, at least one. */
  add(preemptor: Preemptor, victims: readonly string[]): void {
    this.#left.set(preemptor, { count: victims.length, worst: 'gone' });
    for (const uid of victims) {
      const waiting = this.#preemptors.get(uid) ?? new Set();
      waiting.add(preemptor);
      this.#preemptors.set(uid, waiting);
    }
  }

  /** Returns the preemptors that had only this victim left to wait for, with the worst that became of any of theirs. */
  settle(victim: string, state: VictimState): readonly { preemptor: Preemptor; worst: VictimState }[] {
    const waiting = this.#preemptors.get(victim);
    if (!waiting) return [];
    this.#preemptors.delete(victim);
    const ready: { preemptor: Preemptor; worst: VictimState }[] = [];
    for (const preemptor of waiting) {
      const left = this.#left.get(preemptor);
      if (!left) continue;
      left.count--;
      left.worst = worse(left.worst, state);
      if (left.count > 0) continue;
      this.#left.delete(preemptor);
      ready.push({ preemptor, worst: left.worst });
    }
    return ready;
  }
}

function worse(one: VictimState, other: VictimState): VictimState {
  return bySeverity.indexOf(one) < bySeverity.indexOf(other) ? other : one;
}

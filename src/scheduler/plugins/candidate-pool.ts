/**
 * Nodes where a pod of one shape could make room, found little by little and kept until they change. One preemption
 * takes one of them away, and so has to ask about one more, not about a tenth of the cluster.
 */
import type { Random } from '../../base/random.ts';
import type { Rejection } from '../framework/plugin.ts';
import type { Companion } from '../framework/shape-memory.ts';
import { type Candidate, isBetter } from './preemption-victims.ts';

export class CandidatePool implements Companion {
  readonly #answers: (Candidate | Rejection | undefined)[];
  #unasked: number;
  /** Places of the candidates, close together. */
  readonly #slots: number[] = [];
  /** Where in {@link #slots} a place stands; -1: it is none. */
  readonly #indexes: Int32Array;

  constructor(nodesTotal: number) {
    this.#answers = new Array<undefined>(nodesTotal).fill(undefined);
    this.#unasked = nodesTotal;
    this.#indexes = new Int32Array(nodesTotal).fill(-1);
  }

  forget(slot: number): void {
    if (!this.#answers[slot]) return;
    this.#answers[slot] = undefined;
    this.#unasked++;
    const index = this.#indexes[slot]!;
    if (index < 0) return;
    const last = this.#slots.pop()!;
    this.#indexes[slot] = -1;
    if (last === slot) return;
    this.#slots[index] = last;
    this.#indexes[last] = index;
  }

  /** Asks nodes from `offset` on until there are `wanted` candidates, or all have been asked. */
  fill(wanted: number, offset: number, ask: (slot: number) => Candidate | Rejection | undefined): void {
    const total = this.#answers.length;
    for (let step = 0; step < total && this.#unasked > 0 && this.#slots.length < wanted; step++) {
      const slot = (offset + step) % total;
      if (this.#answers[slot]) continue;
      const answer = ask(slot);
      if (!answer) continue;
      this.#answers[slot] = answer;
      this.#unasked--;
      if (!('victims' in answer)) continue;
      this.#indexes[slot] = this.#slots.length;
      this.#slots.push(slot);
    }
  }

  /** Among equals any, so that not everybody goes to the same node. */
  best(random: Random): Candidate | undefined {
    const total = this.#slots.length;
    const offset = Math.floor(random.next() * total);
    let best: Candidate | undefined;
    for (let step = 0; step < total; step++) {
      const candidate = this.#answers[this.#slots[(offset + step) % total]!] as Candidate;
      if (!best || isBetter(candidate, best)) best = candidate;
    }
    return best;
  }

  *failures(): Iterable<readonly [slot: number, Rejection]> {
    for (const [slot, answer] of this.#answers.entries())
      if (answer && !('victims' in answer)) yield [slot, answer];
  }
}

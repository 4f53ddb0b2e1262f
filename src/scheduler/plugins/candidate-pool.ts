/**
 * Nodes where a pod of one shape could make room, found little by little and kept until they change. One preemption
 * uses up one of them, so only one more needs to be evaluated, not a tenth of the cluster.
 */
import { Heap } from '../../base/collections/heap.ts';
import type { Random } from '../../base/random.ts';
import { OpenSlots } from '../framework/open-slots.ts';
import type { Rejection } from '../framework/plugin.ts';
import type { Companion } from '../framework/shape-memory.ts';
import { type Candidate, isBetter } from './preemption-victims.ts';

interface Ranked {
  slot: number;
  candidate: Candidate;
  /** Any among equals, so that not all pods go to the same node. */
  draw: number;
}

export class CandidatePool implements Companion {
  readonly #answers: (Candidate | Rejection | undefined)[];
  readonly #staleMax: number;
  /** Nodes that have not been evaluated. */
  readonly #unasked: OpenSlots;
  #candidates = 0;
  /** The best first; a node whose evaluation is outdated is skipped when its turn comes. */
  #ranking = new Heap(isRankedBefore);

  constructor(nodesTotal: number) {
    this.#answers = new Array<undefined>(nodesTotal).fill(undefined);
    this.#unasked = new OpenSlots(nodesTotal);
    this.#staleMax = 2 * nodesTotal;
  }

  forget(slot: number): void {
    const answer = this.#answers[slot];
    if (!answer) return;
    this.#answers[slot] = undefined;
    this.#unasked.open(slot);
    if ('victims' in answer) this.#candidates--;
  }

  /** Evaluates nodes, from a random one on, until there are `wanted` candidates or all have been evaluated. */
  fill(wanted: number, random: Random, ask: (slot: number) => Candidate | Rejection | undefined): void {
    if (this.#ranking.size > this.#staleMax) this.#rankAnew(random);
    const total = this.#answers.length;
    const offset = Math.floor(random.next() * total);
    const few = this.#unasked.fewFrom(offset);
    const looks = few?.length ?? total;
    for (let step = 0; step < looks && this.#candidates < wanted; step++) {
      const slot = few ? few[step]! : (offset + step) % total;
      if (this.#answers[slot]) continue;
      const answer = ask(slot);
      if (!answer) continue;
      this.#answers[slot] = answer;
      this.#unasked.close(slot);
      if (!('victims' in answer)) continue;
      this.#candidates++;
      this.#ranking.push({ slot, candidate: answer, draw: random.next() });
    }
  }

  /** Without those that are no longer candidates. */
  #rankAnew(random: Random): void {
    this.#ranking = new Heap(isRankedBefore);
    for (const [slot, candidate] of this.#answers.entries())
      if (candidate && 'victims' in candidate) this.#ranking.push({ slot, candidate, draw: random.next() });
  }

  best(): Candidate | undefined {
    for (let first = this.#ranking.peek(); first; first = this.#ranking.peek()) {
      if (this.#answers[first.slot] === first.candidate) return first.candidate;
      this.#ranking.pop();
    }
    return undefined;
  }

  *failures(): Iterable<readonly [slot: number, Rejection]> {
    for (const [slot, answer] of this.#answers.entries())
      if (answer && !('victims' in answer)) yield [slot, answer];
  }
}

function isRankedBefore(left: Ranked, right: Ranked): boolean {
  if (isBetter(left.candidate, right.candidate)) return true;
  return left.draw < right.draw && !isBetter(right.candidate, left.candidate);
}

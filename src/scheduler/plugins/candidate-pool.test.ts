import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { unresolvable } from '../framework/plugin.ts';
import { CandidatePool } from './candidate-pool.ts';
import type { Candidate } from './preemption-victims.ts';

const nodes = 50;
const refusal = unresolvable('no');

function candidate(cost: number): Candidate {
  return {
    node: undefined as never,
    victims: [],
    violations: 0,
    ranks: [0, cost],
    start: '2026-01-01T00:00:00Z',
  };
}

test('the best is as a look at all candidates finds it, whatever is forgotten and asked again', () => {
  const random = seededRandom(3);
  const pool = new CandidatePool(nodes);
  const model = new Map<number, Candidate>();
  const ask = (slot: number) => {
    if (slot % 7 === 0) return refusal;
    const found = candidate(Math.floor(random.next() * 5));
    model.set(slot, found);
    return found;
  };
  for (let step = 0; step < 2_000; step++) {
    pool.fill(10, random, ask);
    assert.ok(model.size >= 10);
    const best = pool.best()!;
    const lowest = Math.min(...[...model.values()].map(({ ranks }) => ranks[1]!));
    assert.equal(best.ranks[1], lowest);
    const slot =
      random.next() < 0.5
        ? [...model].find(([, found]) => found === best)![0]
        : Math.floor(random.next() * nodes);
    model.delete(slot);
    pool.forget(slot);
  }
});

test('no more nodes are evaluated than are wanted, and refusals are reported', () => {
  const pool = new CandidatePool(nodes);
  let asked = 0;
  pool.fill(5, seededRandom(1), () => {
    asked++;
    return candidate(1);
  });
  assert.equal(asked, 5);
  pool.fill(nodes, seededRandom(1), () => refusal);
  assert.equal([...pool.failures()].length, nodes - 5);
});

test('among equals any node is taken', () => {
  const taken = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const pool = new CandidatePool(nodes);
    const found = Array.from({ length: nodes }, () => candidate(1));
    pool.fill(nodes, seededRandom(seed), (slot) => found[slot]!);
    taken.add(found.indexOf(pool.best()!));
  }
  assert.ok(taken.size > 10, `${taken.size} nodes`);
});

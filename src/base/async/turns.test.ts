import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inStep, inSteps, Turns } from './turns.ts';

test('of the steps that wait, one runs in each round of the event loop, in the order of arrival', async () => {
  const turns = new Turns();
  const ran: string[] = [];
  const work = async (name: string) => {
    for (let step = 1; step <= 2; step++) {
      await turns.next();
      ran.push(`${name}${step}`);
    }
  };
  const rounds = (async () => {
    while (ran.filter((entry) => entry !== '|').length < 6) {
      ran.push('|');
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await Promise.all([work('a'), work('b'), work('c'), rounds]);
  assert.match(ran.join(''), /^\|*a1\|+b1\|+c1\|+a2\|+b2\|+c2\|*$/);
});

function* sum(numbers: readonly number[], ran: string[]): Generator<void, number> {
  let total = 0;
  for (const number of numbers) {
    ran.push(`+${number}`);
    total += number;
    yield;
  }
  return total;
}

test('work without turns is done at once, and is no promise', () => {
  const ran: string[] = [];
  assert.equal(
    inStep({}, () => 1),
    1,
  );
  assert.equal(inSteps({}, sum([1, 2], ran)), 3);
  assert.deepEqual(ran, ['+1', '+2']);
});

test('work that takes turns waits before each step, the first one included', async () => {
  const ran: string[] = [];
  const nextStep = async () => void ran.push('turn');
  assert.equal(await inStep({ nextStep }, () => ran.length), 1);
  assert.equal(await inSteps({ nextStep }, sum([1, 2], ran)), 3);
  assert.deepEqual(ran, ['turn', 'turn', '+1', 'turn', '+2', 'turn']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

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

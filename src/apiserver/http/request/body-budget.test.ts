import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyBudget, type BodyShare } from './body-budget.ts';

const request = 16 * 1024;

test('as long as there is room, all shares stay open, and what they gave back is room again', () => {
  const budget = new BodyBudget(4 * request);
  for (let round = 0; round < 10; round++) {
    const shares = ['jane', 'jane', 'joe'].map((user) => budget.open(user));
    shares[0]!.grow(request);
    assert.ok(shares.every(({ isOpen }) => isOpen));
    assert.equal(budget.bytes, 4 * request);
    for (const share of shares) share.close();
    assert.equal(budget.bytes, 0);
  }
});

test('when there is none, whoever holds most loses the oldest share', () => {
  const budget = new BodyBudget(10 * request);
  const joe = budget.open('joe');
  joe.grow(3 * request);
  const jane = [budget.open('jane'), budget.open('jane'), budget.open('jane')] as const;
  const closed: number[] = [];
  for (const [index, share] of jane.entries()) share.onClose = () => closed.push(index);
  jane[2].grow(3 * request);
  assert.deepEqual(closed, [], 'it is full');
  joe.grow(1);
  assert.deepEqual(closed, [0], 'joe’s growth costs jane, who holds more');
  joe.grow(request - 1);
  assert.equal(joe.isOpen, true, 'it is full again');
  joe.grow(1);
  assert.equal(joe.isOpen, false, 'by now it is joe who holds most');
  assert.deepEqual(closed, [0]);
  assert.equal(budget.bytes, 5 * request);
});

test('a closed share neither grows nor closes again, and who asks late learns that it is closed', () => {
  const budget = new BodyBudget(request);
  const [first, second]: BodyShare[] = [budget.open('jane'), budget.open('jane')];
  assert.equal(first!.isOpen, false);
  first!.grow(1000);
  first!.close();
  let told = 0;
  first!.onClose = () => told++;
  assert.equal(told, 1);
  assert.equal(budget.bytes, request);
  second!.close();
  assert.equal(budget.bytes, 0);
});

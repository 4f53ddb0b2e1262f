import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PriorityLevelConfiguration } from '../../api/resources.gen.ts';
import type { ExemptPriorityLevelConfiguration } from '../../api/types/flowcontrol-v1.gen.ts';
import { planSeats, type SeatLimits, SeatPool, type SeatTaker } from './seats.ts';

function level(name: string, limited: object, exempt?: ExemptPriorityLevelConfiguration) {
  const spec = exempt ? { type: 'Exempt', exempt } : { type: 'Limited', limited };
  return { metadata: { name }, spec } as PriorityLevelConfiguration;
}

test("the default levels get upstream's seats", () => {
  const shares: [string, number, number, SeatLimits][] = [
    ['catch-all', 5, 0, { nominal: 13, lower: 13, upper: 600 }],
    ['global-default', 20, 50, { nominal: 49, lower: 24, upper: 600 }],
    ['leader-election', 10, 0, { nominal: 25, lower: 25, upper: 600 }],
    ['node-high', 40, 25, { nominal: 98, lower: 73, upper: 600 }],
    ['system', 30, 33, { nominal: 74, lower: 50, upper: 600 }],
    ['workload-high', 40, 50, { nominal: 98, lower: 49, upper: 600 }],
    ['workload-low', 100, 90, { nominal: 245, lower: 24, upper: 600 }],
  ];
  const levels = shares.map(([name, nominalConcurrencyShares, lendablePercent]) =>
    level(name, { nominalConcurrencyShares, lendablePercent }),
  );
  const plan = planSeats([level('exempt', {}, { nominalConcurrencyShares: 0 }), ...levels], 600);
  assert.deepEqual(plan.get('exempt')?.nominal, 0);
  for (const [name, , , limits] of shares) assert.deepEqual(plan.get(name), limits, name);
});

test('a level borrows no more than it may', () => {
  const plan = planSeats(
    [
      level('a', { nominalConcurrencyShares: 1, borrowingLimitPercent: 50 }),
      level('b', { nominalConcurrencyShares: 1, borrowingLimitPercent: 0 }),
    ],
    20,
  );
  assert.deepEqual(plan.get('a'), { nominal: 10, lower: 10, upper: 15 });
  assert.deepEqual(plan.get('b'), { nominal: 10, lower: 10, upper: 10 });
});

class Taker implements SeatTaker {
  readonly limits: SeatLimits;
  taken = 0;
  waiting = 0;
  readonly #pool: SeatPool;

  constructor(pool: SeatPool, limits: SeatLimits) {
    this.limits = limits;
    this.#pool = pool;
    pool.add(this);
  }

  get isWaiting() {
    return this.waiting > 0;
  }

  take(seats = 1): boolean {
    if (!this.#pool.mayTake(this, seats)) return false;
    this.taken += seats;
    return true;
  }

  takeAll(): number {
    while (this.take());
    return this.taken;
  }

  admitNext(): boolean {
    if (!this.isWaiting || !this.take()) return false;
    this.waiting--;
    return true;
  }
}

test('a level borrows the seats that another lends, and no others', () => {
  const pool = new SeatPool(20);
  const lender = new Taker(pool, { nominal: 10, lower: 4, upper: 20 });
  const borrower = new Taker(pool, { nominal: 10, lower: 10, upper: 20 });
  assert.equal(borrower.takeAll(), 16);
  assert.equal(lender.takeAll(), 4);
  lender.waiting = borrower.waiting = 9;
  borrower.taken -= 6;
  pool.handOn();
  assert.deepEqual([lender.taken, borrower.taken], [10, 10], 'the lender has its own back first');
});

test('a request that wants more than its level has goes alone', () => {
  const pool = new SeatPool(4);
  const small = new Taker(pool, { nominal: 2, lower: 2, upper: 2 });
  assert.equal(small.take(10), true);
  assert.equal(small.take(1), false);
});

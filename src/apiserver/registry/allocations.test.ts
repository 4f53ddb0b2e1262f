import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { type Allocation, withAllocations } from './allocations.ts';

/** Two allocations, of which the first fails to finish, and what became of them and of the failure. */
function setUp() {
  const outcomes: string[] = [];
  const logger = sparse<Logger>({ warn: (text: string) => void outcomes.push(text) });
  const allocation = (failure?: Error): Allocation => ({
    claim: async () => undefined,
    async finish(outcome) {
      if (failure) throw failure;
      outcomes.push(outcome);
    },
  });
  return { outcomes, registry: { logger }, allocations: [allocation(new Error('away')), allocation()] };
}

const lost = 'what a write had taken could not be given back';

test('a stored object is the answer, though what its write had taken cannot be settled', async () => {
  const { outcomes, registry, allocations } = setUp();
  const stored = await withAllocations(registry, async (taken) => {
    taken.push(...allocations);
    return { name: 'x' };
  });
  assert.deepEqual(stored, { name: 'x' });
  assert.deepEqual(outcomes, ['stored', lost]);
});

test('a write that fails, or was too slow, gives back all that it had taken until then', async () => {
  const failing = setUp();
  const refused = withAllocations(failing.registry, async (taken) => {
    taken.push(...failing.allocations);
    throw new Error('no');
  });
  await assert.rejects(refused, { message: 'no' });
  assert.deepEqual(failing.outcomes, ['refused', lost]);
  const slow = setUp();
  await withAllocations(slow.registry, async (taken) => void taken.push(...slow.allocations));
  assert.deepEqual(slow.outcomes, ['refused', lost]);
});

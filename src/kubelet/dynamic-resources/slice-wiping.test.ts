import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import type { Client } from '../../client/client.ts';
import { SliceWiping } from './slice-wiping.ts';

function createWiping() {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const wiped: string[] = [];
  let failures = 0;
  const wiping = new SliceWiping({
    client: sparse<Client>({
      deleteCollection: async (_: unknown, { fieldSelector }: { fieldSelector: string }) => {
        if (failures-- > 0) throw new Error('not yet');
        wiped.push(fieldSelector);
      },
    }),
    clock,
    logger: silentLogger,
    nodeName: 'n',
    signal: stop.signal,
  });
  const failNext = (count: number) => {
    failures = count;
  };
  return { clock, wiping, wiped, failNext, stop };
}

test('at the start all that the node offers goes, however often it takes', async () => {
  const { clock, wiping, wiped, failNext } = createWiping();
  failNext(2);
  const done = wiping.wipeAll();
  await clock.advance(999);
  assert.deepEqual(wiped, []);
  await clock.advance(2_001);
  await done;
  assert.deepEqual(wiped, ['spec.nodeName=n']);
});

test("a driver's slices are deleted when it stays away for half a minute, and kept when it comes back", async () => {
  const { clock, wiping, wiped } = createWiping();
  wiping.driverWent('d');
  await clock.advance(20_000);
  wiping.driverCame('d');
  await clock.advance(60_000);
  assert.deepEqual(wiped, []);
  wiping.driverWent('d');
  await clock.advance(20_000);
  wiping.driverWent('d');
  await clock.advance(10_000);
  assert.deepEqual(wiped, ['spec.nodeName=n,spec.driver=d'], 'going once more gives it no longer');
  wiping.driverCame('d');
  wiping.driverWent('d');
  await clock.advance(30_000);
  assert.equal(wiped.length, 2);
});

test('a kubelet that ends takes nothing back', async () => {
  const { clock, wiping, wiped, stop } = createWiping();
  wiping.driverWent('d');
  stop.abort();
  await clock.advance(60_000);
  assert.deepEqual(wiped, []);
});

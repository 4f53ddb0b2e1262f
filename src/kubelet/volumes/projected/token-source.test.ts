import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../../base/sparse.fixture.ts';
import { VirtualClock } from '../../../base/virtual-clock.ts';
import type { Client } from '../../../client/client.ts';
import { testPod } from '../../pod.fixture.ts';
import { TokenSource } from './token-source.ts';

test('a token is kept for most of its life, and while the API is away for all of it', async () => {
  const clock = new VirtualClock();
  let isAway = false;
  let asked = 0;
  const client = sparse<Client>({
    createSubresource: async () => {
      if (isAway) throw new Error('away');
      const expirationTimestamp = new Date(clock.now() + 3600_000).toISOString();
      return { status: { token: `t${++asked}`, expirationTimestamp } };
    },
  });
  const tokens = new TokenSource({ client, clock });
  const source = { path: 'token', expirationSeconds: 3600 };
  const next = () => tokens.tokenFor(testPod(), source);
  assert.equal(await next(), 't1');
  await clock.advance(2800_000);
  assert.equal(await next(), 't1');
  assert.equal(tokens.refreshDueMs('u'), clock.now() + 80_000);
  await clock.advance(100_000);
  isAway = true;
  assert.equal(await next(), 't1');
  assert.equal(
    tokens.refreshDueMs('u'),
    clock.now() + 30_000,
    'nobody asks a server that is away without pause',
  );
  await clock.advance(900_000);
  await assert.rejects(next(), { message: 'token expired and refresh failed: away' });
  assert.equal(tokens.refreshDueMs('u'), clock.now() + 30_000, 'nor for one that has ended');
  isAway = false;
  await clock.advance(30_000);
  assert.equal(await next(), 't2');
  clock.jump(-3600_000);
  assert.equal(await next(), 't3', 'servers refuse a token of the future');
  clock.jump(3600_000);
  assert.equal(await next(), 't4', 'nor do they take one that has ended');
});

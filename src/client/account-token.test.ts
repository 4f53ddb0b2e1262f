import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/virtual-clock.ts';
import { accountToken } from './account-token.ts';
import type { Client } from './client.ts';

const account = { namespace: 'kube-system', name: 'robot' };

function withServer() {
  const clock = new VirtualClock();
  const server = { asked: 0, fails: false };
  const client = {
    async createSubresource() {
      server.asked++;
      if (server.fails) throw new Error('not now');
      const expirationTimestamp = new Date(clock.now() + 3_600_000).toISOString();
      return { status: { token: `t${server.asked}`, expirationTimestamp } };
    },
  } as unknown as Client;
  return { clock, server, token: accountToken(client, account, clock) };
}

test('one token serves all callers until a fifth of its lifetime is left', async () => {
  const { clock, server, token } = withServer();
  assert.deepEqual(await Promise.all([token.get(), token.get()]), ['t1', 't1']);
  await clock.advance(2_879_000);
  assert.equal(await token.get(), 't1');
  await clock.advance(2_000);
  assert.deepEqual(await Promise.all([token.get(), token.get()]), ['t2', 't2']);
  assert.equal(server.asked, 2);
});

test('while the server is away the old token serves, and then nothing does', async () => {
  const { clock, server, token } = withServer();
  await token.get();
  server.fails = true;
  await clock.advance(3_000_000);
  assert.equal(await token.get(), 't1');
  await token.get();
  assert.equal(server.asked, 2, 'it is not asked again for every request');
  await clock.advance(601_000);
  await assert.rejects(token.get(), /not now/);
  server.fails = false;
  assert.equal(await token.get(), 't4');
});

test('a refused token is requested again', async () => {
  const { token } = withServer();
  await token.get();
  token.forget();
  assert.equal(await token.get(), 't2');
});

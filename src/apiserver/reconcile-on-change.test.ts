import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../api/resources.gen.ts';
import { silentLogger } from '../base/logger.ts';
import { reconcileOnChange } from './reconcile-on-change.ts';
import { createTestServer } from './server.fixture.ts';

test('a failed write at the start is retried, and does not delay the start', {
  timeout: 5_000,
}, async () => {
  await using server = await createTestServer();
  const { clock, api } = server;
  const ending = new AbortController();
  let tries = 0;
  const options = { kinds: api.registry.kinds, clock, logger: silentLogger, signal: ending.signal };
  await reconcileOnChange(options, [ConfigMap], 'a test', async () => {
    tries++;
    if (tries < 3) throw new Error('not yet');
  });
  assert.equal(tries, 1);
  await clock.advance(60_000);
  assert.equal(tries, 3);
  ending.abort();
});

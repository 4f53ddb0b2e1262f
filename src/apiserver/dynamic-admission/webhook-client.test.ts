import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { WebhookClient } from './webhook-client.ts';

test('a webhook whose service cannot be reached is given up in time, and a connection that comes late is closed', async () => {
  const dialing = Promise.withResolvers<PassThrough>();
  const client = new WebhookClient(() => dialing.promise, new MetricsRegistry());
  const config = { service: { namespace: 'default', name: 'hook' } };
  await assert.rejects(client.post(config, {}, 20), {
    name: 'WebhookCallError',
    message:
      'failed to call webhook: Post "https://hook.default.svc:443/?timeout=0s": context deadline exceeded',
  });
  const late = new PassThrough();
  dialing.resolve(late);
  await dialing.promise;
  assert.equal(late.destroyed, true);
  client.close();
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { join } from './stream-proxy.ts';

test('the close of either side of a joined stream ends the other', async () => {
  for (const leaves of [0, 1]) {
    const sides = [new PassThrough(), new PassThrough()] as const;
    join(...sides);
    const ended = once(sides[1 - leaves]!, 'close');
    sides[leaves]!.destroy();
    await ended;
  }
});

test('a client that has left before it is joined takes the other side with it', async () => {
  const client = new PassThrough();
  client.destroy();
  await once(client, 'close');
  const upstream = new PassThrough();
  join(client, upstream);
  assert.equal(upstream.destroyed, true);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { joinStreams } from './join-streams.ts';

/** A connection whose peer takes its time. */
function slowConnection(takesMs: number) {
  let taken = '';
  const stream = new Duplex({
    read: () => undefined,
    write(chunk, _encoding, done) {
      setTimeout(() => {
        taken += chunk;
        done();
      }, takesMs);
    },
  });
  return { stream, taken: () => taken };
}

test('the close of either side of a joined stream ends the other', async () => {
  for (const leaves of [0, 1]) {
    const sides = [new PassThrough(), new PassThrough()] as const;
    joinStreams(...sides);
    const ended = once(sides[1 - leaves]!, 'close');
    sides[leaves]!.destroy();
    await ended;
  }
});

test('the last words of a side that closes reach the other before it is closed', async () => {
  const client = slowConnection(20);
  const target = slowConnection(0);
  joinStreams(client.stream, target.stream);
  const closed = once(client.stream, 'close');
  target.stream.push('output, ');
  target.stream.push('exit code 7');
  target.stream.push(null);
  await once(target.stream, 'end');
  target.stream.destroy();
  await closed;
  assert.equal(client.taken(), 'output, exit code 7');
});

test('an error on one side ends the other at once', async () => {
  const client = slowConnection(60_000);
  const target = slowConnection(0);
  joinStreams(client.stream, target.stream);
  target.stream.push('never taken');
  await new Promise((resolve) => setImmediate(resolve));
  target.stream.destroy(new Error('reset'));
  await once(client.stream, 'close');
  assert.equal(client.taken(), '');
});

test('a side that has left before it is joined takes the other with it', async () => {
  const client = new PassThrough();
  client.destroy();
  await once(client, 'close');
  const target = new PassThrough();
  joinStreams(client, target);
  assert.equal(target.destroyed, true);
});

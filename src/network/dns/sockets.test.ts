import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { framed } from './exchange.ts';
import { listenForDns } from './sockets.ts';

const questions = 400;
const answerBytes = 60_000;

test('a client over TCP that takes no answers is not given more than a connection holds, and all once it does', async (context) => {
  const stop = new AbortController();
  context.after(() => stop.abort());
  let asked = 0;
  const { port } = await listenForDns(
    {
      address: '127.0.0.1',
      port: 0,
      answer() {
        asked++;
        return Buffer.alloc(answerBytes);
      },
      onError: assert.ifError,
    },
    stop.signal,
  );
  const client = connect({ host: '127.0.0.1', port });
  await once(client, 'connect');
  client.write(Buffer.concat(new Array(questions).fill(framed(Buffer.alloc(12)))));
  // Until the kernel's buffers are full.
  for (let before = -1; before !== asked; await new Promise((resolve) => setTimeout(resolve, 50)))
    before = asked;
  assert.ok(asked > 0 && asked < questions, `${asked} questions were answered, and no answer was read`);
  let readBytes = 0;
  for await (const chunk of client) {
    readBytes += (chunk as Buffer).length;
    if (readBytes === questions * (answerBytes + 2)) break;
  }
  assert.equal(asked, questions);
});

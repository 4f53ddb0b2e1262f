import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { createListeningServer } from '../http/listener.fixture.ts';
import { startAggregatedServer } from './aggregated-server.fixture.ts';

test('bodies reach an aggregated server whole, whether they fit into what is read ahead or not', async () => {
  await using backend = await startAggregatedServer(async (request, response) => {
    let sizeBytes = 0;
    for await (const chunk of request) sizeBytes += (chunk as Buffer).length;
    const answer = request.method === 'POST' ? { sizeBytes } : { resources: [] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  await using listening = await createListeningServer({ dialService: backend.dialService });
  await backend.register(listening.server.ask);
  const send = await listening.as('admin', ['system:masters']);
  const path = '/apis/wardle.example.com/v1/namespaces/default/flunders';
  const post = (body: Buffer) => send('POST', path, { 'content-type': 'application/json' }, body);
  let first = await post(Buffer.alloc(100_000));
  while (first.status === 503) {
    await systemClock.sleep(50);
    first = await post(Buffer.alloc(100_000));
  }
  assert.deepEqual(JSON.parse(first.body.toString()), { sizeBytes: 100_000 });
  const second = await post(Buffer.alloc(5_000_000));
  assert.deepEqual(JSON.parse(second.body.toString()), { sizeBytes: 5_000_000 });
  const third = await send('POST', path, { 'transfer-encoding': 'chunked' }, Buffer.alloc(4_000_000));
  assert.deepEqual(JSON.parse(third.body.toString()), { sizeBytes: 4_000_000 });
});

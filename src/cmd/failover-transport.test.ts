import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Transport, TransportError } from '../client/transport.ts';
import { failoverTransport } from './failover-transport.ts';

function server(name: string, log: string[]) {
  const state = { isUp: true };
  const transport: Transport = {
    async send() {
      log.push(name);
      if (!state.isUp) throw new TransportError(`${name} is away`);
      return { status: 200, object: name };
    },
    close: () => undefined,
  };
  return { state, transport };
}

test('reads go on at the next server, and stay there; writes fail once and then go there', async () => {
  const log: string[] = [];
  const [a, b] = [server('a', log), server('b', log)];
  const both = failoverTransport([a.transport, b.transport]);
  const ask = async (method: 'GET' | 'POST') => {
    log.length = 0;
    const answer = await both.send({ method, path: '/' });
    return 'object' in answer ? answer.object : undefined;
  };
  assert.equal(await ask('GET'), 'a');
  a.state.isUp = false;
  assert.equal(await ask('GET'), 'b');
  assert.equal(await ask('GET'), 'b');
  assert.deepEqual(log, ['b']);
  a.state.isUp = true;
  b.state.isUp = false;
  await assert.rejects(ask('POST'), /b is away/);
  assert.equal(await ask('POST'), 'a');
  a.state.isUp = false;
  await assert.rejects(ask('GET'), TransportError);
});

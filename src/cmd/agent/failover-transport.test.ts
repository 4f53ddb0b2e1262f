import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpTransport } from '../../client/transport/http-transport.ts';
import { TransportError } from '../../client/transport/transport.ts';
import { failoverTransport } from './failover-transport.ts';

/** Servers by name, and who was asked in which order. */
function fakeServers(...names: string[]) {
  const up = new Set(names);
  const log: string[] = [];
  const connect = (name: string): HttpTransport => {
    log.push(`connect ${name}`);
    return {
      async send() {
        log.push(name);
        if (!up.has(name)) throw new TransportError(`${name} is away`);
        return { status: 200, object: name };
      },
      retire: () => void log.push(`retire ${name}`),
      close: () => undefined,
    };
  };
  const transport = failoverTransport(names, connect);
  const ask = async (method: 'GET' | 'POST') => {
    log.length = 0;
    const answer = await transport.send({ method, path: '/' });
    return 'object' in answer ? answer.object : undefined;
  };
  return { up, log, transport, ask };
}

test('reads go on at the next server, and stay there; writes fail once and then go there', async () => {
  const { up, log, ask } = fakeServers('a', 'b');
  assert.equal(await ask('GET'), 'a');
  up.delete('a');
  assert.equal(await ask('GET'), 'b');
  assert.equal(await ask('GET'), 'b');
  assert.deepEqual(log, ['b']);
  up.add('a');
  up.delete('b');
  await assert.rejects(ask('POST'), /b is away/);
  assert.equal(await ask('POST'), 'a');
  up.delete('a');
  await assert.rejects(ask('GET'), TransportError);
  assert.deepEqual(log, ['a', 'b']);
});

test('servers come and go: what is still there keeps its connections', async () => {
  const { up, log, transport, ask } = fakeServers('a', 'b');
  log.length = 0;
  transport.follow(['b', 'c']);
  assert.deepEqual(log, ['connect c', 'retire a']);
  up.add('c');
  assert.equal(await ask('GET'), 'b');
  up.delete('b');
  assert.equal(await ask('GET'), 'c');
});

test('new certificates are shown on new connections, to the server that was asked last', async () => {
  const { up, log, transport, ask } = fakeServers('a', 'b');
  up.delete('a');
  assert.equal(await ask('GET'), 'b');
  log.length = 0;
  transport.renew();
  assert.deepEqual(log, ['connect a', 'retire a', 'connect b', 'retire b']);
  assert.equal(await ask('GET'), 'b');
});

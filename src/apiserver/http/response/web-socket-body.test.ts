import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import { until } from '../../../base/async/until.fixture.ts';
import { configMap } from '../../server.fixture.ts';
import { createListeningServer, type ListeningServer } from '../listener.fixture.ts';

suite('bodies over WebSocket', () => {
  let server: ListeningServer;
  let credentials: { ca: string; cert: string; key: string };

  before(async () => {
    server = await createListeningServer();
    credentials = await server.connect('admin', ['system:masters']);
    server.server.api.handler.addPath('/stream', () => ({
      type: 'stream',
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: Readable.from([Buffer.from('one\n'), Buffer.from('two\n')]),
    }));
  });
  after(() => server[Symbol.asyncDispose]());

  /** Messages until the server closes or `enough` have come. */
  async function read(path: string, protocols: string[] = [], enough = Infinity) {
    const socket = new WebSocket(`wss://127.0.0.1:${server.port}${path}`, protocols, credentials);
    const messages: { text: string; isBinary: boolean }[] = [];
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      messages.push({ text: data.toString(), isBinary });
      if (messages.length >= enough) socket.close();
    });
    const [code] = (await once(socket, 'close')) as [number];
    return { messages, code, protocol: socket.protocol };
  }

  test('a stream of bytes goes out in binary messages after an empty one, and closes in order', async () => {
    const plain = await read('/stream');
    assert.ok(plain.messages.every(({ isBinary }) => isBinary));
    assert.equal(plain.messages[0]?.text, '');
    assert.equal(plain.messages.map(({ text }) => text).join(''), 'one\ntwo\n');
    assert.equal(plain.code, 1000);
    assert.equal((await read('/stream', ['binary.k8s.io'])).protocol, 'binary.k8s.io');
  });

  test('bodies are sent as base64 in text messages to clients that ask for it', async () => {
    const { messages, protocol } = await read('/stream', ['unknown.example', 'base64.binary.k8s.io']);
    assert.equal(protocol, 'base64.binary.k8s.io');
    assert.ok(messages.every(({ isBinary }) => !isBinary));
    assert.equal(messages.map(({ text }) => Buffer.from(text, 'base64')).join(''), 'one\ntwo\n');
  });

  test('none of the subprotocols known: the upgrade is refused with a reason', async () => {
    await assert.rejects(read('/stream', ['unknown.example']), /400/);
  });

  test('a watch sends one event a message', async () => {
    const send = await server.as('admin', ['system:masters']);
    for (const name of ['a', 'b'])
      await send(
        'POST',
        '/api/v1/namespaces/default/configmaps',
        { 'content-type': 'application/json' },
        JSON.stringify(configMap(name)),
      );
    const path = '/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0';
    const { messages } = await read(path, [], 2);
    const events = messages.map(({ text }) => JSON.parse(text));
    assert.deepEqual(
      events.map(({ type, object }) => [type, object.metadata.name]),
      [
        ['ADDED', 'a'],
        ['ADDED', 'b'],
      ],
    );
  });

  test('events after a client has begun to close are dropped without harm', async () => {
    const send = await server.as('admin', ['system:masters']);
    const connection = connect({ host: '127.0.0.1', port: server.port, allowHalfOpen: true });
    const socket = connectTls({ socket: connection, host: '127.0.0.1', ...credentials });
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    const text = () => Buffer.concat(received).toString('latin1');
    socket.write(
      [
        'GET /api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0 HTTP/1.1',
        'host: x',
        'connection: upgrade',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`,
        '\r\n',
      ].join('\r\n'),
    );
    await until(() => text().includes('101 Switching Protocols'));
    // The frame that begins to close; what would end the connection never comes.
    socket.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    const closing = Buffer.from([0x88, 0]).toString('latin1');
    await until(() => text().endsWith(closing));
    const body = JSON.stringify(configMap('late'));
    const json = { 'content-type': 'application/json' };
    const made = await send('POST', '/api/v1/namespaces/default/configmaps', json, body);
    assert.equal(made.status, 201);
    assert.equal((await send('GET', '/livez')).status, 200);
    assert.ok(text().endsWith(closing));
    socket.destroy();
  });
});

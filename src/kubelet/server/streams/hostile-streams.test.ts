import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type Duplex, duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createDeflate, deflateSync } from 'node:zlib';
import { until } from '../../../base/async/until.fixture.ts';
import { seededRandom } from '../../../base/random.ts';
import { acceptSpdy, acceptV5, type ClientListener } from './client-streams.ts';
import { spdyDictionary } from './spdy-dictionary.ts';
import { headerBlock, SpdySession } from './spdy-session.ts';

const random = seededRandom(20_261_128);
const below = (bound: number) => Math.floor(random.next() * bound);
const bytes = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
const turn = () => new Promise((resolve) => setImmediate(resolve));

function control(type: number, body: Buffer, flags = 0): Buffer {
  const header = Buffer.from([0x80, 3, 0, type, flags, 0, 0, 0]);
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

function data(id: number, body: Buffer, flags = 0): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(id, 0);
  header[4] = flags;
  header.writeUIntBE(body.length, 5, 3);
  return Buffer.concat([header, body]);
}

/** A client's header blocks form one stream. */
function opener(): (id: number, headers: Record<string, string>) => Promise<Buffer> {
  const deflate = createDeflate({ dictionary: spdyDictionary });
  return async (id, headers) => {
    const parts: Buffer[] = [];
    const take = (part: Buffer) => parts.push(part);
    deflate.on('data', take);
    deflate.write(headerBlock(headers));
    await new Promise<void>((resolve) => deflate.flush(resolve));
    deflate.off('data', take);
    const body = Buffer.alloc(10);
    body.writeUInt32BE(id, 0);
    return control(1, Buffer.concat([body, ...parts]));
  };
}

/** A server-side session, and the client's end of its connection. */
function served() {
  const [near, far] = duplexPair();
  const opened: Record<string, string>[] = [];
  const session = new SpdySession(far, (stream, headers) => {
    opened.push(headers);
    stream.onData = () => undefined;
  });
  let isClosed = false;
  session.onClose = () => {
    isClosed = true;
  };
  near.on('error', () => undefined);
  near.resume();
  return { near, opened, isClosed: () => isClosed };
}

/** Headers are inflated on another thread, which takes its time. */
async function settled(near: Duplex, done: () => boolean): Promise<void> {
  await until(done);
  near.destroy();
}

const short: [string, Buffer][] = [
  ['the opening of a stream without its number', control(1, Buffer.alloc(0))],
  ['the opening of a stream with half a number', control(1, Buffer.alloc(3))],
  ['an opening without headers', control(1, Buffer.alloc(10))],
  ['headers that are no compressed block', control(1, Buffer.alloc(30, 0xff))],
  ['headers of another dictionary', control(1, Buffer.concat([Buffer.alloc(10), deflateSync('headers')]))],
  ['a ping without its number', control(6, Buffer.alloc(1))],
  ['an end of no stream', control(3, Buffer.alloc(2))],
];
for (const [what, frame] of short)
  test(`SPDY: ${what} ends the connection, or is passed over`, async () => {
    const { near, isClosed, opened } = served();
    near.write(frame);
    await turn();
    near.end();
    await settled(near, isClosed);
    assert.deepEqual(
      opened.filter((headers) => Object.keys(headers).length > 0),
      [],
    );
  });

test('SPDY: a small block that becomes large headers ends the connection', async () => {
  const { near, isClosed, opened } = served();
  near.write(await opener()(1, { streamtype: 'x'.repeat(4_000_000) }));
  await settled(near, isClosed);
  assert.equal(opened.length, 0);
});

test('SPDY: who opens streams without end, or one twice, is hung up on', async () => {
  for (const idOf of [(index: number) => 2 * index + 1, () => 1]) {
    const { near, isClosed, opened } = served();
    const open = opener();
    for (let index = 0; index < 500 && !isClosed(); index++) {
      near.write(await open(idOf(index), { streamtype: `s${index}` }));
      await turn();
    }
    await settled(near, isClosed);
    assert.ok(opened.length <= 64, `${opened.length} streams were opened`);
  }
});

test('SPDY: frames that were tampered with never throw', async () => {
  for (let round = 0; round < 300; round++) {
    const { near, isClosed } = served();
    const open = opener();
    const frames = [
      await open(1, { streamtype: 'error' }),
      await open(3, { streamtype: 'stdin' }),
      data(3, bytes(below(40))),
      control(6, Buffer.from([0, 0, 0, 1])),
      control(3, Buffer.from([0, 0, 0, 3, 0, 0, 0, 5])),
      control(below(12), bytes(below(20)), below(4)),
      data(below(6), Buffer.alloc(0), 1),
    ];
    const whole = Buffer.concat(frames);
    for (let edit = below(6); edit > 0; edit--) whole[below(whole.length)] = below(256);
    for (let at = 0; at < whole.length; ) {
      const size = 1 + below(60);
      near.write(whole.subarray(at, at + size));
      at += size;
      if (below(3) === 0) await turn();
    }
    near.end();
    await settled(near, isClosed);
  }
});

test('SPDY: much that is said before all streams are open is not kept', async () => {
  const [client, far] = duplexPair();
  client.resume();
  client.on('error', () => undefined);
  const wanted = { stdin: true, stdout: true, stderr: false, tty: false };
  const request = {} as IncomingMessage;
  const runtime = new PassThrough();
  const accepted = acceptSpdy({ request, client: far, head: Buffer.alloc(0) }, wanted, runtime);
  const refused = assert.rejects(accepted, /before its streams were open/);
  client.write(await opener()(1, { streamtype: 'stdin' }));
  const piece = data(1, Buffer.alloc(1024 * 1024));
  for (let sent = 0; sent < 64 && !client.destroyed; sent++) {
    client.write(piece);
    await turn();
  }
  await refused;
  assert.ok(runtime.destroyed);
});

test('WebSocket: frames that were tampered with end the connection, and are never passed on as they are', async (context) => {
  const heard: Uint8Array[] = [];
  const closed = new Set<Duplex>();
  const server = createServer();
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  server.on('upgrade', async (request, client, head) => {
    const streams = await acceptV5({ request, client, head }, new PassThrough());
    const listener: ClientListener = {
      data: (_stream, message) => void heard.push(message),
      end: () => undefined,
      close: () => void closed.add(client),
    };
    streams.listen(listener);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const rounds = 60;
  for (let round = 0; round < rounds; round++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n',
    );
    await once(socket, 'data');
    const frame = Buffer.concat([Buffer.from([0x82, 0x85, 1, 2, 3, 4]), bytes(5)]);
    // Occasionally a length that nothing will match: 2^62 bytes.
    if (round % 10 === 0) socket.write(Buffer.from([0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
    for (let edit = below(5); edit > 0; edit--) frame[below(frame.length)] = below(256);
    socket.write(frame);
    socket.write(bytes(below(200)));
    socket.end();
    await once(socket, 'close');
  }
  for (let turns = 0; closed.size < rounds && turns < 2_000; turns++) await turn();
  assert.equal(closed.size, rounds);
  assert.ok(heard.every(({ length }) => length < 300));
});

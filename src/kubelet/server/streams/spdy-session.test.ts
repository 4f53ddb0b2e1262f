import assert from 'node:assert/strict';
import { Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { createInflate } from 'node:zlib';
import { spdyDictionary } from './spdy-dictionary.ts';
import { headerBlock, SpdySession } from './spdy-session.ts';

/** Adler-32, by which zlib identifies a dictionary. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

test('the dictionary is the one that SPDY/3 prescribes', () => {
  assert.equal(spdyDictionary.length, 1423);
  assert.equal(adler32(spdyDictionary).toString(16), 'e3c6a7c2');
});

function recorder(): { socket: Duplex; sent: () => Buffer; receive: (data: Buffer) => void } {
  const parts: Buffer[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      parts.push(chunk as Buffer);
      done();
    },
  });
  return { socket, sent: () => Buffer.concat(parts), receive: (data) => void socket.push(data) };
}

test('streams are opened with compressed headers that one inflater can read in order', async () => {
  const { socket, sent } = recorder();
  const session = new SpdySession(socket);
  await Promise.all([session.open({ streamType: 'error' }), session.open({ streamType: 'stdin' })]);
  const inflate = createInflate({ dictionary: spdyDictionary });
  const plain: Buffer[] = [];
  inflate.on('data', (part: Buffer) => plain.push(part));
  const bytes = sent();
  const ids: number[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    assert.equal(bytes.readUInt16BE(offset), 0x8003);
    assert.equal(bytes.readUInt16BE(offset + 2), 1);
    const length = bytes.readUIntBE(offset + 5, 3);
    ids.push(bytes.readUInt32BE(offset + 8));
    await new Promise((resolve) => inflate.write(bytes.subarray(offset + 18, offset + 8 + length), resolve));
    offset += 8 + length;
  }
  assert.deepEqual(ids, [1, 3]);
  const expected = [headerBlock({ streamtype: 'error' }), headerBlock({ streamtype: 'stdin' })];
  assert.deepEqual(Buffer.concat(plain), Buffer.concat(expected));
});

test('data of split frames arrives whole, and FIN ends the stream', async () => {
  const { socket, receive } = recorder();
  const session = new SpdySession(socket);
  const stream = await session.open({ streamType: 'stdout' });
  const got: string[] = [];
  const ended = Promise.withResolvers<void>();
  stream.onData = (data) => got.push(data.toString());
  stream.onEnd = ended.resolve;
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 1, 1, 0, 0, 5]), Buffer.from('hello')]);
  receive(frame.subarray(0, 3));
  receive(frame.subarray(3, 10));
  receive(frame.subarray(10));
  await ended.promise;
  assert.deepEqual(got, ['hello']);
});

test('a client and a server of ours understand each other: streams by name, data both ways, ends', async () => {
  const [near, far] = duplexPair();
  const heard: string[] = [];
  const done = Promise.withResolvers<void>();
  new SpdySession(far, (stream, headers) => {
    stream.onData = (data) => heard.push(`${headers.streamtype}: ${data.toString()}`);
    stream.onEnd = () => {
      stream.write(Buffer.from('heard'));
      stream.end();
    };
  });
  const client = new SpdySession(near);
  const streams = await Promise.all(['stdin', 'resize'].map((streamType) => client.open({ streamType })));
  streams[0]!.onData = (data) => heard.push(`answer: ${data.toString()}`);
  streams[0]!.onEnd = done.resolve;
  streams[1]!.write(Buffer.from('{}'));
  streams[0]!.write(Buffer.from('ls'));
  streams[0]!.end();
  await done.promise;
  assert.deepEqual(heard, ['resize: {}', 'stdin: ls', 'answer: heard']);
  client.close();
});

test('a server that is sent what is no block of headers hangs up', async () => {
  const { socket, receive } = recorder();
  const session = new SpdySession(socket, () => assert.fail('there is no stream'));
  const closed = new Promise<void>((resolve) => {
    session.onClose = resolve;
  });
  const frame = Buffer.alloc(8 + 10 + 4, 0xff);
  frame.set([0x80, 3, 0, 1, 0, 0, 0, 14]);
  receive(frame);
  await closed;
});

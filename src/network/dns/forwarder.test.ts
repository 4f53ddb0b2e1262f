import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createForwarder } from './forwarder.ts';
import { encodeResponse, parseAnswer, parseQuery, type Query, ResponseCode } from './message/message.ts';
import { RecordType } from './message/resource-record.ts';

/** A name server whose addresses live for `ttlSeconds`; it says how often it was asked. */
async function nameServer(ttlSeconds: number) {
  const socket = createSocket('udp4');
  let asked = 0;
  socket.on('message', (message, from) => {
    asked++;
    const query = parseQuery(message) as Query;
    const answers = [{ name: query.name, type: RecordType.A, ttlSeconds, address: '10.1.2.3' }];
    const response = { code: ResponseCode.noError, authoritative: false, answers };
    socket.send(encodeResponse(query, response), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    server: `127.0.0.1:${socket.address().port}`,
    asked: () => asked,
    [Symbol.asyncDispose]: async () => void socket.close(),
  };
}

const ttlOf = (answer: Buffer | undefined) => answer && parseAnswer(answer)?.ttlSeconds;

test('those who ask the same at the same time get one answer, which none may keep for longer than it is cached', async () => {
  await using upstream = await nameServer(300);
  const clock = new VirtualClock();
  const forwarder = createForwarder({ clock, random: seededRandom(1) });
  const question = {
    name: 'example.org',
    type: RecordType.A,
    servers: [upstream.server],
    cacheSeconds: 30,
  };
  const answers = await Promise.all([forwarder.ask(question), forwarder.ask(question)]);
  assert.deepEqual(answers.map(ttlOf), [30, 30]);
  await clock.advance(10_000);
  assert.equal(ttlOf(await forwarder.ask(question)), 20);
  assert.equal(upstream.asked(), 1);
  await clock.advance(20_000);
  assert.equal(ttlOf(await forwarder.ask(question)), 30);
  assert.equal(upstream.asked(), 2);
});

/** Malicious requests: each is answered or refused, none breaks the server or keeps it from serving others. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { seededRandom } from '../../base/random.ts';
import { configMap, configMaps } from '../server.fixture.ts';
import { createListeningServer, type ListeningServer, type Send } from './listener.fixture.ts';

suite('hostile requests', () => {
  let listening: ListeningServer;
  let send: Send;
  const random = seededRandom(5);
  const json = { 'content-type': 'application/json' };

  before(async () => {
    listening = await createListeningServer();
    send = await listening.as('admin', ['system:masters']);
    for (let index = 0; index < 5; index++)
      await listening.server.ask('POST', configMaps, configMap(`c${index}`));
  });
  after(() => listening[Symbol.asyncDispose]());

  const lettersOf = (alphabet: string, lengthMax: number) =>
    Array.from(
      { length: Math.floor(random.next() * lengthMax) },
      () => alphabet[Math.floor(random.next() * alphabet.length)],
    ).join('');

  /** Like those that the server issues, for any position and any time. */
  function continueToken(): string {
    const start = lettersOf('a/\\.\0é', 12);
    const rv = Math.floor(random.next() * 20) - 15;
    return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start })).toString('base64url');
  }

  test('odd queries are refused or answered, never with an error of the server', async () => {
    const names = ['continue', 'labelSelector', 'fieldSelector', 'resourceVersionMatch', 'limit', 'pretty'];
    for (let round = 0; round < 300; round++) {
      const query = new URLSearchParams();
      for (const name of names) {
        if (random.next() < 0.7) continue;
        const isToken = name === 'continue' && random.next() < 0.5;
        query.set(
          name,
          isToken ? continueToken() : lettersOf('abc=!(),.<>in notn/\\0123456789-\0é%&"{}', 30),
        );
      }
      const method = round % 10 === 0 ? 'DELETE' : 'GET';
      const { status } = await send(method, `${configMaps}?${query}${round % 7 === 0 ? '%zz' : ''}`);
      assert.ok(status < 500, `${method} ?${query}: ${status}`);
    }
  });

  test('a body of more unknown fields than anybody can be warned of is taken, with as many warnings as fit', async () => {
    const unknown = Array.from({ length: 200_000 }, (_, index) => `"u${index}":1`).join();
    const body = `{"metadata":{"name":"odd"},${unknown}}`;
    const { status, headers } = await send('POST', configMaps, json, body);
    assert.equal(status, 201);
    assert.ok(String(headers.warning).length < 16 * 1024);
  });

  test('odd paths are not found, forbidden or refused', async () => {
    for (let round = 0; round < 200; round++) {
      const path = `/${encodeURI(lettersOf('api/v1pods%2F%00.;:@é?&=', 30))}`;
      const method = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'][round % 5]!;
      const { status } = await send(method, path, json, method === 'GET' ? undefined : '{}');
      assert.ok(status < 500, `${method} ${path}: ${status}`);
    }
  });

  test('a packed body is not unpacked: it is refused as it came', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const { status } = await send('POST', configMaps, { ...json, 'content-encoding': 'gzip' }, bomb);
    assert.equal(status, 400);
  });

  test('a client that opens streams and resets them at once does not keep others from being served', async () => {
    const identity = await listening.connect('mallory', ['system:masters']);
    const session = connect(`https://127.0.0.1:${listening.port}`, identity);
    // That the server may end such a session is its right.
    session.on('error', () => undefined);
    await once(session, 'connect');
    for (let index = 0; index < 2_000 && !session.destroyed; index++) {
      const stream = session.request({ ':path': configMaps });
      stream.on('error', () => undefined);
      stream.close(8);
      if (index % 500 === 0) assert.equal((await send('GET', `${configMaps}`)).status, 200);
    }
    session.destroy();
    assert.equal((await send('GET', configMaps)).status, 200);
  });
});

/** Lists that are sent in pieces, over the network. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { get } from 'node:https';
import { after, before, suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { formatYaml } from '../../../api/schema/body/yaml-writer.ts';
import { configMap, configMaps } from '../../server.fixture.ts';
import { createListeningServer, type ListeningServer, type Send } from '../listener.fixture.ts';

suite('long lists', () => {
  const count = 600;
  let listening: ListeningServer;
  let send: Send;

  before(async () => {
    listening = await createListeningServer();
    send = await listening.as('admin', ['system:masters']);
    for (let index = 0; index < count; index++) {
      const labels = { third: String(index % 3 === 0) };
      await listening.server.ask(
        'POST',
        configMaps,
        configMap(`c${index}`, { a: 'x'.repeat(2_000) }, labels),
      );
    }
  });
  after(() => listening[Symbol.asyncDispose]());

  const itemsOf = (body: Buffer) => (JSON.parse(body.toString()) as { items: { metadata: object }[] }).items;

  test('a long list is whole, packed or not, for those who read JSON as it comes and for those who like it indented', async () => {
    const plain = await send('GET', configMaps);
    assert.equal(plain.status, 200);
    assert.equal(plain.headers['content-type'], 'application/json');
    assert.equal(itemsOf(plain.body).length, count);
    const packed = await send('GET', configMaps, { 'accept-encoding': 'gzip' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.ok(packed.body.length < plain.body.length / 5);
    assert.deepEqual(gunzipSync(packed.body), plain.body);
    const indented = await send('GET', `${configMaps}?pretty=true`);
    assert.deepEqual(JSON.parse(indented.body.toString()), JSON.parse(plain.body.toString()));
    assert.match(indented.body.toString(), /^\{\n {2}"kind": "ConfigMapList",\n/);
  });

  test('a long list and a list of long objects are in YAML what they are in JSON', async () => {
    const accept = 'application/yaml';
    const texts = '/api/v1/namespaces/texts/configmaps';
    await listening.server.ask('POST', '/api/v1/namespaces', { metadata: { name: 'texts' } });
    const long = 'a line of text\n'.repeat(20_000);
    for (const name of ['a', 'b']) {
      const made = await listening.server.ask('POST', texts, configMap(name, { long }));
      assert.equal(made.status, 201);
    }
    for (const path of [configMaps, texts, `${texts}/a`]) {
      const yaml = await send('GET', path, { accept });
      assert.equal(yaml.headers['content-type'], accept);
      const json = await send('GET', path);
      assert.equal(yaml.body.toString(), formatYaml(JSON.parse(json.body.toString())), path);
    }
  });

  test('a long list is the same over HTTP/2, and a selection of it is what matches', async () => {
    const session = connect(
      `https://127.0.0.1:${listening.port}`,
      await listening.connect('b', ['system:masters']),
    );
    const stream = session.request({ ':path': configMaps });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'end');
    session.close();
    assert.deepEqual(Buffer.concat(chunks), (await send('GET', configMaps)).body);
    const third = await send('GET', `${configMaps}?labelSelector=third%3Dtrue`);
    assert.equal(itemsOf(third.body).length, count / 3);
  });

  test('a client that leaves in the middle of a list leaves the server to others', async () => {
    const identity = await listening.connect('c', ['system:masters']);
    const request = get({
      host: '127.0.0.1',
      port: listening.port,
      path: configMaps,
      ...identity,
      agent: false,
    });
    const [response] = await once(request, 'response');
    await once(response, 'data');
    request.destroy();
    response.on('error', () => undefined);
    assert.equal((await send('GET', `${configMaps}/c1`)).status, 200);
    assert.equal(itemsOf((await send('GET', configMaps)).body).length, count);
  });
});

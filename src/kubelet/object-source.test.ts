import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../api/resources.gen.ts';
import { VirtualClock } from '../base/virtual-clock.ts';
import { createClient } from '../client/create-client.ts';
import { FakeTransport } from '../client/transport/transport.fake.ts';
import { type Transport, TransportError } from '../client/transport/transport.ts';
import { ObjectSource } from './object-source.ts';

const namespace = 'default';

test('objects that the server once sent are kept while it is away, and changes are reported when it is back', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const server = new FakeTransport();
  let isAway = false;
  const transport: Transport = {
    async send(request) {
      if (isAway) throw new TransportError('away');
      return await server.send(request);
    },
    close: () => undefined,
  };
  const changed: string[] = [];
  const objects = new ObjectSource({
    client: createClient(transport),
    clock,
    signal: stop.signal,
    changed: (uid) => void changed.push(uid),
  });
  const at = { namespace, name: 'a' };
  const labelOf = async () => (await objects.get(ConfigMap, at))?.metadata.labels?.v;
  server.put('a', { labels: { v: '1' } });
  objects.use('pod', [{ type: ConfigMap, at }]);
  assert.equal(await labelOf(), '1');
  // Its watch stands.
  await clock.advance(0);

  isAway = true;
  server.breakWatches();
  server.put('a', { labels: { v: '2' } });
  await clock.advance(3_600_000);
  assert.equal(await labelOf(), '1');
  await assert.rejects(objects.get(ConfigMap, { namespace, name: 'other' }), /away/);

  isAway = false;
  changed.length = 0;
  await clock.advance(10_000);
  assert.equal(await labelOf(), '2');
  assert.deepEqual(changed, ['pod']);
  stop.abort();
});

test('a reader that waits for an object whose last user goes asks the server itself', async () => {
  const stop = new AbortController();
  const server = new FakeTransport();
  const list = Promise.withResolvers<void>();
  const transport: Transport = {
    async send(request) {
      if (request.path.includes('?')) await list.promise;
      return await server.send(request);
    },
    close: () => undefined,
  };
  const objects = new ObjectSource({
    client: createClient(transport),
    clock: new VirtualClock(),
    signal: stop.signal,
    changed: () => undefined,
  });
  const at = { namespace, name: 'a' };
  server.put('a', { labels: { v: '1' } });
  objects.use('pod', [{ type: ConfigMap, at }]);
  const found = objects.get(ConfigMap, at);
  objects.use('pod', []);
  assert.equal((await found)?.metadata.labels?.v, '1');
  stop.abort();
});

test('objects that are selected together come and go while a pod uses them', async () => {
  const stop = new AbortController();
  const server = new FakeTransport();
  const changed: string[] = [];
  const clock = new VirtualClock();
  const objects = new ObjectSource({
    client: createClient(server),
    clock,
    signal: stop.signal,
    changed: (uid) => void changed.push(uid),
  });
  const fieldSelector = 'spec.signerName=s';
  const names = async () =>
    (await objects.select(ConfigMap, fieldSelector)).map(({ metadata }) => metadata.name);
  server.put('a');
  objects.use('pod', [{ type: ConfigMap, fieldSelector }]);
  assert.deepEqual(await names(), ['a']);
  await clock.advance(0);
  changed.length = 0;
  server.put('b');
  await clock.advance(0);
  assert.deepEqual(await names(), ['a', 'b']);
  server.remove('a');
  await clock.advance(0);
  assert.deepEqual(await names(), ['b']);
  assert.deepEqual(changed, ['pod', 'pod']);
  const asked = server.requests.length;
  objects.use('pod', []);
  server.put('c');
  assert.deepEqual(await names(), ['b', 'c'], 'who does not use it asks');
  assert.equal(server.requests.length, asked + 1);
  stop.abort();
});

test('a reader does not wait for what is first used when everything has ended', async () => {
  const stop = new AbortController();
  stop.abort();
  const server = new FakeTransport();
  server.put('a');
  const objects = new ObjectSource({
    client: createClient(server),
    clock: new VirtualClock(),
    signal: stop.signal,
    changed: () => undefined,
  });
  const at = { namespace, name: 'a' };
  objects.use('pod', [{ type: ConfigMap, at }]);
  assert.equal((await objects.get(ConfigMap, at))?.metadata.name, 'a');
});

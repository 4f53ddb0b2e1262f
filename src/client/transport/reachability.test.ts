import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap, Node } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../create-client.ts';
import { createInformerFactory } from '../informers/informer-factory.ts';
import { Reachability } from './reachability.ts';
import { FakeTransport } from './transport.fake.ts';
import { type Transport, TransportError } from './transport.ts';

test('a wait for a server that is away ends with its first answer, any other by the clock', async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const reachability = new Reachability();
  const settled: boolean[] = [];
  const wait = () =>
    void reachability.pause(clock, 30_000, signal).then((isBack) => void settled.push(isBack));
  wait();
  reachability.answered();
  await clock.advance(29_999);
  assert.deepEqual(settled, []);
  await clock.advance(1);
  assert.deepEqual(settled, [false]);
  reachability.failed();
  wait();
  await clock.advance(5_000);
  reachability.answered();
  await clock.advance(0);
  assert.deepEqual(settled, [false, true]);
});

test('after an hour without a server, the first answer brings back all informers at once', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const server = new FakeTransport();
  let isAway = false;
  const transport: Transport = {
    send: async (request) => {
      if (isAway) throw new TransportError('connection refused');
      return server.send(request);
    },
    close: () => undefined,
  };
  const client = createClient(transport);
  const common = { clock, random: seededRandom(1), logger: silentLogger, signal: stop.signal };
  const informer = createInformerFactory(client, common).of(ConfigMap);
  await clock.advance(10);
  assert.equal(informer.hasSynced, true);
  isAway = true;
  server.breakWatches();
  await clock.advance(3_600_000);
  server.put('made-meanwhile');
  isAway = false;
  await client.get(Node, { name: 'any' }).catch(() => undefined);
  await clock.advance(10);
  assert.ok(informer.get('default/made-meanwhile'));
  stop.abort();
});

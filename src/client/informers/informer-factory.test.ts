import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap, Secret } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../create-client.ts';
import { FakeTransport } from '../transport/transport.fake.ts';
import { TransportError } from '../transport/transport.ts';
import { createInformerFactory } from './informer-factory.ts';

async function setUp() {
  const clock = new VirtualClock();
  const transport = new FakeTransport();
  const stop = new AbortController();
  const options = { clock, random: seededRandom(1), logger: silentLogger, signal: stop.signal };
  const factory = createInformerFactory(createClient(transport), options);
  const informer = factory.of(ConfigMap);
  const log: string[] = [];
  informer.handle({
    added: ({ metadata }) => log.push(`+${metadata.name}`),
    updated: ({ metadata }) => log.push(`=${metadata.name}`),
    deleted: ({ metadata }) => log.push(`-${metadata.name}`),
  });
  return { clock, transport, stop, factory, informer, log };
}

test('an informer lists, then follows', async () => {
  const { clock, transport, informer, log } = await setUp();
  transport.put('a');
  await clock.advance(0);
  transport.put('b');
  transport.put('a');
  transport.remove('b');
  await clock.advance(0);
  assert.deepEqual(log, ['+a', '+b', '=a', '-b']);
  assert.deepEqual(
    [...informer.list()].map(({ metadata }) => metadata.name),
    ['a'],
  );
});

test('a watch that breaks off goes on where it was', async () => {
  const { clock, transport, log } = await setUp();
  await clock.advance(0);
  transport.put('a');
  await clock.advance(0);
  transport.breakWatches();
  transport.put('b');
  await clock.advance(1_000);
  assert.deepEqual(log, ['+a', '+b']);
  assert.equal(
    transport.requests.filter(({ path }) => !path.includes('watch')).length,
    1,
    'one list was enough',
  );
});

test('an expired watch leads to a new list, and objects that went meanwhile are reported as deleted', async () => {
  const { clock, transport, log } = await setUp();
  transport.put('a');
  transport.put('b');
  await clock.advance(0);
  transport.oldestRevision = 100;
  transport.breakWatches();
  transport.remove('a');
  transport.put('b');
  await clock.advance(0);
  transport.oldestRevision = 0;
  await clock.advance(5_000);
  assert.deepEqual(log.sort(), ['+a', '+b', '-a', '=b']);
});

test('an object that was replaced under its name goes, and comes', async () => {
  const { clock, transport, log } = await setUp();
  transport.put('a', { uid: 'first' });
  await clock.advance(0);
  transport.breakWatches();
  transport.oldestRevision = 100;
  transport.remove('a');
  transport.put('a', { uid: 'second' });
  await clock.advance(0);
  transport.oldestRevision = 0;
  await clock.advance(5_000);
  assert.deepEqual(log, ['+a', '-a', '+a']);
});

test('a server that is away is asked again, ever more rarely', async () => {
  const { clock, transport } = await setUp();
  await clock.advance(0);
  transport.requests.length = 0;
  transport.send = async () => {
    transport.requests.push({ method: 'GET', path: '' });
    throw new TransportError('away');
  };
  transport.breakWatches();
  await clock.advance(120_000);
  assert.ok(
    transport.requests.length > 5 && transport.requests.length < 20,
    `${transport.requests.length} tries`,
  );
});

test('indexes follow, and late handlers see the present objects', async () => {
  const { clock, transport, informer } = await setUp();
  transport.put('a', { labels: { app: 'x' } });
  await clock.advance(0);
  const byApp = (object: ConfigMap) => [object.metadata.labels?.app ?? ''];
  informer.addIndex('app', byApp);
  informer.addIndex('app', byApp);
  transport.put('b', { labels: { app: 'x' } });
  transport.put('a', { labels: { app: 'y' } });
  await clock.advance(0);
  assert.deepEqual(
    [...informer.byIndex('app', 'x')].map(({ metadata }) => metadata.name),
    ['b'],
  );
  assert.throws(() => informer.addIndex('app', () => []));
  const late: string[] = [];
  informer.handle({ added: ({ metadata }) => late.push(metadata.name) });
  assert.deepEqual(late.sort(), ['a', 'b']);
});

test('includes waits until the cache has what was written', async () => {
  const { clock, transport, informer } = await setUp();
  await clock.advance(0);
  let isThere = false;
  void informer.includes('2').then(() => {
    isThere = true;
  });
  transport.put('a');
  await clock.advance(0);
  assert.equal(isThere, false);
  transport.put('a');
  await clock.advance(0);
  assert.equal(isThere, true);
});

test('one informer serves all callers with the same query', async () => {
  const { factory, informer } = await setUp();
  assert.equal(factory.of(ConfigMap), informer);
  assert.notEqual(factory.of(ConfigMap, { namespace: 'default' }), informer);
});

test('informers that are followed for a while end with their signal, and leave the others', async () => {
  const { clock, transport, factory, log } = await setUp();
  const stop = new AbortController();
  const other: string[] = [];
  const passing = factory.until(stop.signal).of(ConfigMap);
  passing.handle({ added: ({ metadata }) => other.push(metadata.name) });
  await clock.advance(0);
  transport.put('a');
  await clock.advance(0);
  assert.deepEqual(other, ['a']);
  stop.abort();
  transport.put('b');
  await clock.advance(1_000);
  assert.deepEqual([other, log], [['a'], ['+a', '+b']]);
});

test('nobody waits for an informer that was stopped, whether it was asked for before the stop or after', async () => {
  const { stop, factory, informer } = await setUp();
  const waiting = assert.rejects(informer.synced(), /stopped/);
  stop.abort(new Error('stopped'));
  await waiting;
  await assert.rejects(factory.of(Secret).synced(), /stopped/);
  await assert.rejects(factory.synced(), /stopped/);
});

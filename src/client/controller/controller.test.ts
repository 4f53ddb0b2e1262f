import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigMap } from '../../api/resources.gen.ts';
import { conflict } from '../../api/status.ts';
import { silentLogger } from '../../base/logger.ts';
import { seededRandom } from '../../base/random.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { createClient } from '../create-client.ts';
import { createEventRecorder } from '../events/event-recorder.ts';
import { createInformerFactory } from '../informers/informer-factory.ts';
import { FakeTransport } from '../transport/transport.fake.ts';
import { TransportError } from '../transport/transport.ts';
import { type ControllerDefinition, defineController, runController } from './controller.ts';

const isA = ({ metadata }: ConfigMap) => metadata.name === 'a';

/** Runs a controller of ConfigMaps. */
async function run(facts: Omit<ControllerDefinition<ConfigMap>, 'name' | 'reconciles'>) {
  const controller = defineController({ name: 'test', reconciles: ConfigMap, ...facts });
  const clock = new VirtualClock();
  const transport = new FakeTransport();
  const { signal } = new AbortController();
  const client = createClient(transport);
  const common = { clock, random: seededRandom(1), logger: silentLogger };
  const informers = createInformerFactory(client, { ...common, signal });
  const recorder = createEventRecorder({ client, component: 'test', signal, ...common });
  void runController(controller, { client, informers, recorder, ...common }, signal);
  await clock.advance(0);
  return { clock, transport };
}

test('a key is not looked at again before the cache shows what was written for it', async () => {
  const seen: string[] = [];
  const { clock, transport } = await run({
    concerns: isA,
    async reconcile(_key, cluster, signal) {
      seen.push([...cluster.informer(ConfigMap).list()].map(({ metadata }) => metadata.name).join());
      if (!cluster.get(ConfigMap, 'default/child'))
        await cluster.create(ConfigMap, { metadata: { name: 'child', namespace: 'default' } }, signal);
    },
  });
  transport.put('a');
  // The watch is lost while the child is made: the cache does not show it.
  const send = transport.send.bind(transport);
  transport.send = async (request) => {
    if (request.method === 'POST') transport.breakWatches();
    return send(request);
  };
  await clock.advance(10_000);
  transport.put('a', { labels: { changed: 'yes' } });
  await clock.advance(10_000);
  assert.deepEqual(seen, ['a', 'a,child']);
});

test('a write whose outcome is not known is looked up before it is tried again', async () => {
  let creates = 0;
  const { clock, transport } = await run({
    concerns: isA,
    async reconcile(_key, cluster, signal) {
      if (cluster.get(ConfigMap, 'default/child')) return;
      await cluster.create(ConfigMap, { metadata: { name: 'child', namespace: 'default' } }, signal);
    },
  });
  const send = transport.send.bind(transport);
  transport.send = async (request) => {
    const response = await send(request);
    if (request.method !== 'POST' || !request.path.includes('configmaps')) return response;
    creates++;
    transport.breakWatches();
    throw new TransportError('the answer was lost');
  };
  transport.put('a');
  await clock.advance(30_000);
  assert.equal(creates, 1);
});

test('a lost answer keeps its key waiting for the object alone, not for all else that the store has seen', async () => {
  const seen: (string | undefined)[] = [];
  const { clock, transport } = await run({
    async reconcile(key, cluster, signal) {
      const object = cluster.get(ConfigMap, key);
      seen.push(object?.metadata.labels?.step);
      if (object?.metadata.labels?.step !== '1') return;
      await cluster.update(
        ConfigMap,
        { ...object, metadata: { ...object.metadata, labels: { step: '2' } } },
        signal,
      );
    },
  });
  loseAnswersTo('PUT', transport);
  transport.put('a', { labels: { step: '1' } });
  await clock.advance(1_000);
  assert.deepEqual([...new Set(seen)], ['1', '2']);
});

test('of many objects whose answers were lost, and whose names are not known, the server is asked once', async () => {
  const { clock, transport } = await run({
    concerns: isA,
    async reconcile(_key, cluster, signal) {
      if ([...cluster.informer(ConfigMap).list()].length > 1) return;
      const child = { metadata: { generateName: 'child-', namespace: 'default' } };
      const made = [1, 2, 3].map(() => cluster.create(ConfigMap, child, signal));
      const failed = (await Promise.allSettled(made)).find(({ status }) => status === 'rejected');
      if (failed) throw (failed as PromiseRejectedResult).reason;
    },
  });
  const send = transport.send.bind(transport);
  let posts = 0;
  transport.send = async (request) => {
    if (request.method !== 'POST' || !request.path.includes('configmaps')) return send(request);
    transport.put(`child-${++posts}`);
    throw new TransportError('the answer was lost');
  };
  transport.put('a');
  await clock.advance(10_000);
  const lists = transport.requests.filter(
    ({ method, path }) => method === 'GET' && /namespaces\/default\/configmaps$/.test(path.split('?')[0]!),
  );
  assert.deepEqual([posts, lists.length], [3, 1]);
});

test('a deletion whose answer was lost is waited for until the cache shows it', async () => {
  let deletions = 0;
  const { clock, transport } = await run({
    concerns: isA,
    async reconcile(_key, cluster, signal) {
      const child = cluster.get(ConfigMap, 'default/child');
      if (!child) return;
      deletions++;
      await cluster.delete(ConfigMap, child, signal);
    },
  });
  transport.put('child');
  await clock.advance(0);
  loseAnswersTo('DELETE', transport);
  transport.put('a');
  await clock.advance(30_000);
  assert.equal(deletions, 1);
});

test('a write that lost a race is not tried again before the cache shows who won it', async () => {
  let updates = 0;
  const { clock, transport } = await run({
    async reconcile(key, cluster, signal) {
      const object = cluster.get(ConfigMap, key);
      if (object?.metadata.labels?.by !== 'user') return;
      updates++;
      const metadata = { ...object.metadata, labels: { by: 'controller' } };
      await cluster.update(ConfigMap, { ...object, metadata }, signal);
    },
  });
  const watches = loseFirstUpdate(transport, () =>
    transport.put('a', { labels: { by: 'user', again: 'yes' } }),
  );
  transport.put('a', { labels: { by: 'user' } });
  await clock.advance(5_000);
  assert.equal(updates, 1);
  watches.restore();
  await clock.advance(60_000);
  assert.equal(updates, 2);
});

test('what another has deleted is not written to again before the cache shows that it is gone', async () => {
  let updates = 0;
  const seen: (string | undefined)[] = [];
  const { clock, transport } = await run({
    async reconcile(key, cluster, signal) {
      const object = cluster.get(ConfigMap, key);
      seen.push(object?.metadata.uid);
      if (object?.metadata.uid !== 'first') return;
      updates++;
      await cluster.update(ConfigMap, object, signal);
    },
  });
  // The cache has seen that it is on its way, and not yet that it is gone and that another took its name.
  const watches = loseFirstUpdate(transport, () => {
    transport.remove('a');
    transport.put('a', { uid: 'second' });
  });
  transport.put('a', { uid: 'first', deletionTimestamp: '2026-01-01T00:00:00Z' });
  await clock.advance(5_000);
  assert.equal(updates, 1);
  watches.restore();
  await clock.advance(60_000);
  assert.deepEqual([updates, seen.at(-1)], [1, 'second']);
});

/** Another client is faster than the first update, and no watch tells of it before they are restored. */
function loseFirstUpdate(transport: FakeTransport, change: () => void): { restore(): void } {
  const send = transport.send.bind(transport);
  let [isLost, isCut] = [false, false];
  transport.send = async (request) => {
    if (isCut && request.path.includes('watch=')) throw new TransportError('no connection');
    if (request.method !== 'PUT' || isLost) return send(request);
    isLost = true;
    isCut = true;
    transport.breakWatches();
    change();
    const { status } = conflict({ group: '', plural: 'configmaps' }, 'a', 'the object has been modified');
    return { status: 409, object: status };
  };
  return {
    restore() {
      isCut = false;
    },
  };
}

/** The server does as it is told, and the connection breaks; meanwhile others write elsewhere. */
function loseAnswersTo(method: string, transport: FakeTransport): void {
  const send = transport.send.bind(transport);
  transport.send = async (request) => {
    const response = await send(request);
    if (request.method !== method) return response;
    transport.advanceRevision();
    throw new TransportError('the answer was lost');
  };
}

test('a reconcile that fails is tried again, later each time', async () => {
  const times: number[] = [];
  const { clock, transport } = await run({
    backoff: { firstMs: 100, maxMs: 1_000 },
    async reconcile(_key, cluster) {
      times.push(cluster.clock.monotonic());
      if (times.length < 4) throw new Error('not yet');
    },
  });
  transport.put('a');
  await clock.advance(60_000);
  assert.deepEqual(
    times.slice(1).map((time, index) => time - times[index]!),
    [100, 200, 400],
  );
});

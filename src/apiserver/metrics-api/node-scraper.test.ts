import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node, Pod } from '../../api/resources.gen.ts';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import { NodeScraper } from './node-scraper.ts';

test('a node whose statistics make no sense does not keep the others from being read', async () => {
  const clock = new VirtualClock();
  const objects = new FakeObjects();
  for (const name of ['good', 'odd'])
    objects.put(Node, {
      metadata: { name },
      spec: {},
      status: { daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } },
    });
  const part = {
    startTime: '2026-01-01T00:00:00Z',
    cpu: { time: '2026-01-01T00:01:00Z', usageCoreNanoSeconds: 1e9 },
    memory: { workingSetBytes: 1024 },
  };
  const stop = new AbortController();
  const scraper = new NodeScraper({
    objects,
    readSummary: async (name) => (name === 'good' ? { node: part, pods: [] } : null),
    clock,
    logger: silentLogger,
    signal: stop.signal,
  });
  const reading = scraper.read();
  await clock.advance(60_000);
  assert.deepEqual([...(await reading).keys()], ['good']);
  stop.abort();
});

test('a pod that has begun since its node was read is read at once, and no other reading is replaced', async () => {
  const clock = new VirtualClock();
  const objects = new FakeObjects();
  objects.put(Node, {
    metadata: { name: 'one' },
    spec: {},
    status: { daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } },
  });
  const pods: string[] = [];
  let reads = 0;
  const run = (name: string) => {
    pods.push(name);
    objects.put(Pod, {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: 'one', containers: [] },
      status: { containerStatuses: [{ state: { running: { startedAt: timeOf(clock.now()) } } }] },
    } as never);
  };
  const stop = new AbortController();
  const scraper = new NodeScraper({
    objects,
    readSummary: async () => {
      reads++;
      const part = {
        startTime: timeOf(clock.now() - 1_000),
        cpu: { time: timeOf(clock.now()), usageCoreNanoSeconds: 1e9 },
        memory: { workingSetBytes: 1024 },
      };
      const containers = [{ name: 'c', ...part }];
      return {
        node: part,
        pods: pods.map((name) => ({ podRef: { name, namespace: 'default' }, containers })),
      };
    },
    clock,
    logger: silentLogger,
    signal: stop.signal,
  });
  const read = async (namespace?: string) => {
    const reading = scraper.read(namespace);
    await clock.advance(1_000);
    return (await reading).get('one')!;
  };
  run('old');
  const first = await read();
  assert.equal(reads, 2);
  await clock.advance(3_000);
  run('new');
  await read('elsewhere');
  assert.equal(reads, 2);
  const later = await read();
  assert.deepEqual([...later.now.pods.keys()], ['default/old', 'default/new']);
  assert.equal(later.now.pods.get('default/old'), first.now.pods.get('default/old'));
  await read();
  assert.equal(reads, 3);
  stop.abort();
});

test('a node that answers no longer has no readings any more', async () => {
  const clock = new VirtualClock();
  const objects = new FakeObjects();
  objects.put(Node, {
    metadata: { name: 'one' },
    spec: {},
    status: { daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } },
  });
  let isGone = false;
  const stop = new AbortController();
  const scraper = new NodeScraper({
    objects,
    readSummary: async () => {
      if (isGone) throw new Error('no answer');
      return { node: { cpu: { time: timeOf(clock.now()), usageCoreNanoSeconds: clock.now() } }, pods: [] };
    },
    clock,
    logger: silentLogger,
    signal: stop.signal,
  });
  const names = async () => {
    const reading = scraper.read();
    await clock.advance(1_000);
    return [...(await reading).keys()];
  };
  assert.deepEqual(await names(), ['one']);
  isGone = true;
  await clock.advance(30_000);
  assert.deepEqual(await names(), ['one'], 'one answer may get lost');
  await clock.advance(60_000);
  assert.deepEqual(await names(), []);
  isGone = false;
  await clock.advance(15_000);
  assert.deepEqual(await names(), ['one']);
  stop.abort();
});

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

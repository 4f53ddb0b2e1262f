import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Node } from '../../api/resources.gen.ts';
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

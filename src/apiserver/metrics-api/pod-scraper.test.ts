import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pod } from '../../api/resources.gen.ts';
import { parseLabelSelector } from '../../api/selectors/selectors.ts';
import { silentLogger } from '../../base/logger.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { FakeObjects } from '../object-reader.fake.ts';
import { PodScraper, type ScrapeTarget } from './pod-scraper.ts';

/** A pod that is scraped, and what it answers. */
class World {
  readonly clock = new VirtualClock();
  readonly stop = new AbortController();
  readonly pod: Pod;
  readonly targets: ScrapeTarget[] = [];
  answer: string | undefined = '';
  readonly scraper: PodScraper;

  constructor(annotations: Record<string, string> = {}) {
    const objects = new FakeObjects();
    this.pod = sparse<Pod>({
      metadata: {
        name: 'web',
        namespace: 'default',
        uid: 'web',
        annotations: { 'prometheus.io/scrape': 'true', ...annotations },
      },
      spec: { containers: [] },
      status: { phase: 'Running', podIP: '10.0.0.1' },
    });
    objects.put(Pod, this.pod);
    this.scraper = new PodScraper({
      objects,
      readMetrics: async (_pod, target) => {
        this.targets.push(target);
        if (this.answer === undefined) throw new Error('no answer');
        return this.answer;
      },
      clock: this.clock,
      logger: silentLogger,
      signal: this.stop.signal,
    });
  }

  async value(metric: string, series = ''): Promise<number | undefined> {
    const reading = this.scraper.valueOf(this.pod, metric, parseLabelSelector(series));
    await this.clock.advance(1_000);
    return (await reading)?.value;
  }

  [Symbol.dispose](): void {
    this.stop.abort();
  }
}

test('of a metric with labels the series that are asked for count, each counter by itself', async () => {
  using world = new World();
  world.answer = 'hits_total{code="200"} 100\nhits_total{code="500"} 40\nload{of="a"} 1\nload{of="b"} 2\n';
  assert.equal(await world.value('load'), 3);
  assert.equal(await world.value('load', 'of=b'), 2);
  assert.equal(await world.value('load', 'of=c'), undefined);
  // One counter is reset; the other goes on, and a third appears.
  world.answer = 'hits_total{code="200"} 115\nhits_total{code="500"} 15\nhits_total{code="404"} 30\n';
  await world.clock.advance(15_000);
  assert.equal(await world.value('hits'), (15 + 15 + 30) / 15);
  assert.equal(await world.value('hits', 'code!=404'), (15 + 15) / 15);
});

test('a rate is not disturbed by a clock that is set back', async () => {
  using world = new World();
  world.answer = 'hits_total 0\n';
  await world.value('hits');
  world.answer = 'hits_total 30\n';
  world.clock.jump(-3_600_000);
  await world.clock.advance(15_000);
  assert.equal(await world.value('hits'), 2);
});

test('what a pod answered last counts for a minute', async () => {
  using world = new World({ 'prometheus.io/path': 'stats' });
  world.answer = 'load 5\n';
  assert.equal(await world.value('load'), 5);
  world.answer = undefined;
  await world.clock.advance(30_000);
  assert.equal(await world.value('load'), 5);
  await world.clock.advance(40_000);
  assert.equal(await world.value('load'), undefined);
  assert.equal(world.targets[0]?.path, '/stats');
});

test('annotations say where a pod is scraped, and https in that word alone', async () => {
  const rows: [annotations: Record<string, string>, target: ScrapeTarget][] = [
    [{}, { scheme: 'http', port: 80, path: '/metrics' }],
    [
      { 'prometheus.io/scheme': 'https', 'prometheus.io/port': '8443', 'prometheus.io/path': '/m' },
      { scheme: 'https', port: 8443, path: '/m' },
    ],
    [{ 'prometheus.io/scheme': 'HTTPS' }, { scheme: 'http', port: 80, path: '/metrics' }],
  ];
  for (const [annotations, target] of rows) {
    using world = new World(annotations);
    await world.value('load');
    assert.deepEqual(world.targets[0], target);
  }
});

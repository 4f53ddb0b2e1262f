import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { runWorkers, WorkQueue } from './work-queue.ts';

test('a key waits once, however often it is added', () => {
  const queue = new WorkQueue({ name: 'q', clock: new VirtualClock() });
  queue.add('a');
  queue.add('b');
  queue.add('a');
  assert.deepEqual([queue.take(), queue.take(), queue.take()], ['a', 'b', undefined]);
});

test('a key that comes again while at work waits until the work is done', () => {
  const queue = new WorkQueue({ name: 'q', clock: new VirtualClock() });
  queue.add('a');
  queue.take();
  queue.add('a');
  assert.equal(queue.take(), undefined);
  queue.done('a');
  assert.equal(queue.take(), 'a');
});

test('the earliest of several delays counts', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ name: 'q', clock });
  queue.addAfter('a', 500);
  queue.addAfter('a', 100);
  queue.addAfter('a', 300);
  await clock.advance(100);
  assert.equal(queue.take(), 'a');
  queue.done('a');
  await clock.advance(1_000);
  assert.equal(queue.take(), undefined);
});

test('retries wait longer each time, until one succeeds', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ name: 'q', clock, backoff: { firstMs: 10, maxMs: 40 } });
  const waits: number[] = [];
  const retry = async () => {
    const startMs = clock.now();
    queue.retry('a');
    await clock.advanceUntil(() => queue.length > 0);
    waits.push(clock.now() - startMs);
    queue.take();
    queue.done('a');
  };
  for (let count = 0; count < 4; count++) await retry();
  queue.forget('a');
  await retry();
  assert.deepEqual(waits, [10, 20, 40, 40, 10]);
});

test('a key that events bring back again and again before its retry is due is not put off further', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ name: 'q', clock, backoff: { firstMs: 100, maxMs: 1_000_000 } });
  for (let count = 0; count < 20; count++) {
    queue.retry('a');
    await clock.advance(1);
  }
  await clock.advance(80);
  assert.equal(queue.take(), 'a');
  queue.done('a');
  queue.retry('a');
  await clock.advance(199);
  assert.equal(queue.take(), undefined);
  await clock.advance(1);
  assert.equal(queue.take(), 'a');
});

test('a limited number work at a time, never two on one key, and the end is waited for', async () => {
  const clock = new VirtualClock();
  const queue = new WorkQueue({ name: 'q', clock });
  const stop = new AbortController();
  let [most, now, ended] = [0, 0, false];
  const work = async () => {
    most = Math.max(most, ++now);
    await clock.sleep(10);
    now--;
  };
  for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key);
  const running = runWorkers(queue, 2, work, stop.signal).then(() => {
    ended = true;
  });
  await clock.advance(15);
  stop.abort(new Error('enough'));
  assert.equal(ended, false);
  await clock.advance(10);
  await running;
  assert.deepEqual([most, now], [2, 0]);
});

test('work that lasts does not remember what was done meanwhile', async () => {
  let listeners = 0;
  class CountedPromise<T> extends Promise<T> {
    // biome-ignore lint/suspicious/noThenProperty: whoever waits for it is counted
    override then<A = T, B = never>(
      ...handlers: Parameters<typeof Promise.prototype.then<A, B>>
    ): Promise<A | B> {
      listeners++;
      return super.then(...(handlers as Parameters<Promise<T>['then']>)) as Promise<A | B>;
    }
  }
  const clock = new VirtualClock();
  const queue = new WorkQueue({ name: 'q', clock });
  const stop = new AbortController();
  const long = Promise.withResolvers<void>();
  let done = 0;
  const work = (key: string): Promise<void> => {
    if (key === 'long') return CountedPromise.resolve(long.promise).then(() => undefined);
    done++;
    return clock.sleep(1);
  };
  queue.add('long');
  for (let count = 0; count < 100; count++) queue.add(`short-${count}`);
  const running = runWorkers(queue, 2, work, stop.signal);
  await clock.advance(200);
  assert.equal(done, 100);
  assert.ok(listeners < 10, `${listeners}`);
  stop.abort(new Error('enough'));
  long.resolve();
  await running;
});

test('the metrics have upstream’s names', () => {
  const metrics = new MetricsRegistry();
  const queue = new WorkQueue({ name: 'deployment', clock: new VirtualClock(), metrics });
  queue.add('a');
  queue.add('b');
  queue.take();
  queue.done('a');
  const text = metrics.expose();
  for (const line of [
    'workqueue_depth{name="deployment"} 1',
    'workqueue_adds_total{name="deployment"} 2',
    'workqueue_work_duration_seconds_count{name="deployment"} 1',
    'workqueue_queue_duration_seconds_count{name="deployment"} 1',
  ])
    assert.ok(text.includes(line), line);
});

test('queues of one name are counted together, and each for as long as it is open', () => {
  const metrics = new MetricsRegistry();
  const clock = new VirtualClock();
  const [signing, approving] = [1, 2].map(() => new WorkQueue({ name: 'certificate', clock, metrics }));
  const shows = (line: string) => assert.ok(metrics.expose().split('\n').includes(line), line);
  for (const key of ['a', 'b']) signing!.add(key);
  approving!.add('a');
  shows('workqueue_depth{name="certificate"} 3');
  shows('workqueue_adds_total{name="certificate"} 3');
  signing!.take();
  approving!.take();
  shows('workqueue_depth{name="certificate"} 1');
  signing!.close();
  shows('workqueue_depth{name="certificate"} 0');
  approving!.add('b');
  shows('workqueue_depth{name="certificate"} 1');
  approving!.close();
  assert.doesNotMatch(metrics.expose(), /workqueue_depth\{/);
});

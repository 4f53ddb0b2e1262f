import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from '../../base/metrics.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { SeatDemand } from './demand.ts';

function createDemand() {
  const clock = new VirtualClock();
  const metrics = new MetricsRegistry();
  const demand = new SeatDemand(clock, metrics.histogram('parts', '', [1, 2]).bind({}));
  demand.nominal = 10;
  return { clock, metrics, demand };
}

test('the figures are those of the last whole period of ten seconds, weighted by time', async () => {
  const { clock, demand } = createDemand();
  demand.add(20);
  await clock.advance(5_000);
  assert.deepEqual(demand.figures, { highWatermark: 0, average: 0, deviation: 0, smoothed: 0 });
  demand.add(-20);
  await clock.advance(5_000);
  assert.deepEqual(demand.figures, { highWatermark: 20, average: 10, deviation: 10, smoothed: 20 });
});

test('after a fall the smoothed figure follows slowly', async () => {
  const { clock, demand } = createDemand();
  demand.add(100);
  await clock.advance(10_000);
  demand.add(-100);
  await clock.advance(20_000);
  const { smoothed, ...rest } = demand.figures;
  assert.deepEqual(rest, { highWatermark: 0, average: 0, deviation: 0 });
  assert.ok(Math.abs(smoothed - 100 * 0.977 ** 2) < 1e-9, String(smoothed));
});

test('a year without requests is over at once, and its periods end when they should', async () => {
  const { clock, demand } = createDemand();
  demand.add(5);
  await clock.advance(365 * 24 * 3_600_000 + 4_000);
  assert.deepEqual(demand.figures, { highWatermark: 5, average: 5, deviation: 0, smoothed: 5 });
  demand.add(-5);
  await clock.advance(6_000);
  assert.equal(demand.figures.average, 2);
});

test('each nanosecond is an observation of the demand as a part of the nominal seats', async () => {
  const { clock, metrics, demand } = createDemand();
  demand.add(15);
  await clock.advance(2);
  demand.add(-15);
  await clock.advance(1);
  demand.add(0);
  const lines = metrics.expose().split('\n');
  assert.ok(lines.includes('parts_bucket{le="1"} 1000000'));
  assert.ok(lines.includes('parts_bucket{le="2"} 3000000'));
});

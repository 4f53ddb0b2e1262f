import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from './metrics.ts';

test('a family may have any number of samples', () => {
  const metrics = new MetricsRegistry();
  const count = 200_000;
  metrics.collected('objects', 'By name.', function* () {
    for (let index = 0; index < count; index++) yield { labels: { name: String(index) }, value: index };
  });
  const lines = metrics.expose().split('\n');
  assert.equal(lines.filter((line) => line.startsWith('objects{')).length, count);
});

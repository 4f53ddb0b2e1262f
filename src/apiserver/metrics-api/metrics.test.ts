import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuRate, type NodeHistory, type Reading } from './node-scraper.ts';
import { parsePrometheusText } from './prometheus-text.ts';
import { nodeMetrics, podMetrics } from './resource-metrics.ts';

const reading = (atMs: number, cpuNanoseconds: number, startMs = 0): Reading => ({
  atMs,
  cpuNanoseconds,
  memoryBytes: 10 * 1024 * 1024,
  startMs,
});

test('the rate is what was used between two readings', () => {
  assert.deepEqual(cpuRate(reading(1_000, 5e9), reading(11_000, 6e9)), { nanocores: 1e8, windowMs: 10_000 });
});
test('a container that started since the last reading counts from its start', () => {
  assert.deepEqual(cpuRate(undefined, reading(14_000, 2e9, 10_000)), { nanocores: 5e8, windowMs: 4_000 });
  assert.deepEqual(cpuRate(reading(1_000, 9e9, 0), reading(14_000, 2e9, 10_000))?.nanocores, 5e8);
});
test('two readings of the same moment give no rate', () => {
  assert.equal(cpuRate(reading(1_000, 1, 0), reading(1_000, 1, 0)), undefined);
});

test('readings become NodeMetrics and PodMetrics', () => {
  const pod = (at: number, cpu: number) => ({
    namespace: 'default',
    name: 'web',
    containers: new Map([['c', reading(at, cpu)]]),
  });
  const history: NodeHistory = {
    before: { node: reading(0, 0), pods: new Map([['default/web', pod(0, 0)]]) },
    now: { node: reading(15_000, 15e9), pods: new Map([['default/web', pod(15_000, 3e9)]]) },
  };
  const nodes = new Map([['n1', history]]);
  const labelsOf = () => ({ app: 'web' });
  assert.deepEqual(nodeMetrics(nodes, labelsOf)[0]?.usage, { cpu: '1000000000n', memory: '10240Ki' });
  assert.deepEqual(podMetrics(nodes, 'default', labelsOf)[0], {
    metadata: {
      name: 'web',
      namespace: 'default',
      creationTimestamp: '1970-01-01T00:00:15Z',
      labels: { app: 'web' },
    },
    timestamp: '1970-01-01T00:00:15Z',
    window: '15s',
    containers: [{ name: 'c', usage: { cpu: '200000000n', memory: '10240Ki' } }],
  });
  assert.deepEqual(podMetrics(nodes, 'other', labelsOf), []);
});

test('series of a metric add up, counters and gauges are distinguished, buckets are left out', () => {
  const metrics = parsePrometheusText(`# HELP http_requests_total n
# TYPE http_requests_total counter
http_requests_total{code="200",path="/"} 10
http_requests_total{code="500"} 2 1700000000
# TYPE queue gauge
queue 7.5
# TYPE lat histogram
lat_bucket{le="1"} 3
lat_sum 4
lat_count 3
broken NaN
`);
  assert.deepEqual(summary(metrics), {
    http_requests_total: { values: [10, 2], isCounter: true },
    queue: { values: [7.5], isCounter: false },
    lat_sum: { values: [4], isCounter: true },
    lat_count: { values: [3], isCounter: true },
  });
});

test('a metrics text that a pod wrote to be slow is read in linear time', () => {
  const long = 1_000_000;
  const startMs = performance.now();
  for (const line of [`a${' '.repeat(long)}`, `a{${'b'.repeat(long)}} 1`, `# TYPE a${' '.repeat(long)}`])
    assert.equal(parsePrometheusText(line).get('a')?.series.size ?? 0, line.endsWith('1') ? 1 : 0);
  assert.ok(performance.now() - startMs < 10_000);
  const spaced = parsePrometheusText('b{x="1"}2\nb {x="2"} 3\n  b 4 1700000000000\n').get('b')!;
  assert.deepEqual(
    [...spaced.series.values()].map(({ value }) => value),
    [2, 3, 4],
  );
});

const summary = (metrics: ReturnType<typeof parsePrometheusText>) =>
  Object.fromEntries(
    [...metrics].map(([name, { isCounter, series }]) => [
      name,
      { values: [...series.values()].map(({ value }) => value), isCounter },
    ]),
  );

test('values of labels may hold braces, quotes and blanks, and quantiles of a summary are left out', () => {
  const metrics = parsePrometheusText(`# TYPE visits_total counter
visits_total{path="/users/{id}", code="200"} 3
visits_total {path="a \\"b\\" \\\\ c"} 4
# TYPE took summary
took{quantile="0.5"} 0.2
took_sum 6
took_count 9
`);
  assert.deepEqual(
    [...metrics.get('visits_total')!.series.values()],
    [
      { labels: { path: '/users/{id}', code: '200' }, value: 3 },
      { labels: { path: 'a "b" \\ c' }, value: 4 },
    ],
  );
  assert.deepEqual([...metrics.keys()], ['visits_total', 'took_sum', 'took_count']);
});

test('a counter is known by its type, by the type of its family, or by its name', () => {
  const metrics = parsePrometheusText(`# TYPE family counter
family_total 1
plain_total 2
# TYPE odd_total gauge
odd_total 3
`);
  assert.deepEqual(
    [...metrics].map(([name, { isCounter }]) => [name, isCounter]),
    [
      ['family_total', true],
      ['plain_total', true],
      ['odd_total', false],
    ],
  );
});

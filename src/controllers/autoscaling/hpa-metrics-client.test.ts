import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../../api/status.ts';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Client } from '../../client/client.ts';
import {
  readExternalMetric,
  readObjectMetric,
  readPodsMetric,
  readResourceMetrics,
} from './hpa-metrics-client.ts';
import { MetricProblem } from './hpa-replicas.ts';

const query = { namespace: 'n', selector: 'app=a', resource: 'cpu' };
const signal = new AbortController().signal;

function answering(...pods: Record<string, string>[]): Client {
  const items = pods.map((usages, index) => ({
    metadata: { name: `p${index}` },
    timestamp: '2026-01-01T00:00:00Z',
    window: '15s',
    containers: Object.entries(usages).map(([name, cpu]) => ({ name, usage: { cpu } })),
  }));
  return sparse<Client>({ raw: async () => ({ items }) });
}

const milliOf = async (client: Client, container?: string) =>
  [...(await readResourceMetrics(client, { ...query, ...(container && { container }) }, signal))].map(
    ([pod, { milli }]) => [pod, milli],
  );

test('a pod uses what its containers use together, or what the one that is asked for uses', async () => {
  const client = answering({ web: '100m', log: '20m' }, { web: '300m' });
  assert.deepEqual(await milliOf(client), [
    ['p0', 120],
    ['p1', 300],
  ]);
  assert.deepEqual(await milliOf(client, 'log'), [['p0', 20]]);
});

test('that no pod has the container is not that there are no metrics', async () => {
  assert.deepEqual(await milliOf(answering({ web: '1m' }), 'none'), []);
  await assert.rejects(milliOf(answering()), /no metrics returned from resource metrics API/);
});

test('empty fields in the answer of a metrics server may be null', async () => {
  const client = (answer: object) => ({ raw: async () => answer }) as unknown as Client;
  await assert.rejects(milliOf(client({ items: null })), /no metrics returned from resource metrics API/);
  const pod = {
    metadata: { name: 'p0' },
    timestamp: '2026-01-01T00:00:00Z',
    window: '15s',
    containers: null,
  };
  assert.deepEqual(await milliOf(client({ items: [pod] })), []);
});

test('an unreadable part of an answer is a problem of that metric only', async () => {
  await assert.rejects(milliOf(answering({ web: 'much' })), MetricProblem);
  const item = { metadata: { name: 'p0' }, containers: [{ name: 'web', usage: { cpu: '1' } }] };
  await assert.rejects(milliOf(sparse<Client>({ raw: async () => ({ items: [item] }) })), MetricProblem);
  const rate = { namespace: 'n', resource: 'services', name: 's', metric: 'rate', metricSelector: undefined };
  const client = sparse<Client>({ raw: async () => ({ items: [{ value: '' }] }) });
  await assert.rejects(readObjectMetric(client, rate, signal), /from custom metrics API: /);
});

test("an object's metric is one value, and of namespaces only the autoscaler's own is read", async () => {
  const asked: string[] = [];
  const answering = (...values: string[]) =>
    sparse<Client>({
      raw: async (_method: string, path: string) => {
        asked.push(path);
        return path === '/apis/custom.metrics.k8s.io'
          ? { versions: [{ version: 'v1beta2' }] }
          : { items: values.map((value) => ({ value })) };
      },
    } as Partial<Client>);
  const object = { namespace: 'own', resource: 'namespaces', name: 'foreign', metric: 'rate' };
  const read = (client: Client) => readObjectMetric(client, { ...object, metricSelector: undefined }, signal);
  assert.equal(await read(answering('5')), 5000);
  assert.equal(asked[1], '/apis/custom.metrics.k8s.io/v1beta2/namespaces/own/metrics/rate');
  const severalAsked = (count: number) =>
    new RegExp(`the custom metrics API server returned ${count} results when we asked for exactly one$`);
  await assert.rejects(read(answering()), severalAsked(0));
  await assert.rejects(read(answering('5', '6')), severalAsked(2));
});

test('an API that is not served, or not now, is named as what was asked of it', async () => {
  const refusing = (code: number, message: string) =>
    sparse<Client>({ raw: async () => Promise.reject(new StatusError(code, '', message)) });
  const [metricSelector, namespace] = [undefined, 'n'];
  const away = refusing(404, '404 page not found');
  const notFound = 'the server could not find the requested resource';
  const rows: [asked: Promise<unknown>, message: string][] = [
    [
      readResourceMetrics(away, query, signal),
      `unable to fetch metrics from resource metrics API: ${notFound} (get pods.metrics.k8s.io)`,
    ],
    [
      readExternalMetric(away, { namespace, metric: 'queue', metricSelector }, signal),
      `unable to fetch metrics from external metrics API: ${notFound} (get queue.external.metrics.k8s.io)`,
    ],
    [
      readPodsMetric(
        refusing(503, 'service unavailable'),
        { namespace, selector: 'a=b', metric: 'qps', metricSelector },
        signal,
      ),
      'unable to fetch metrics from custom metrics API: the server is currently unable to handle the request (get pods.custom.metrics.k8s.io *)',
    ],
    [
      readObjectMetric(
        refusing(500, 'oh "no"'),
        { namespace, resource: 'services', name: 's', metric: 'qps', metricSelector },
        signal,
      ),
      'unable to fetch metrics from custom metrics API: an error on the server ("oh \\"no\\"") has prevented the request from succeeding (get services.custom.metrics.k8s.io s)',
    ],
  ];
  for (const [asked, message] of rows) await assert.rejects(asked, { message });
  const own = sparse<Client>({
    raw: async () => Promise.reject(new StatusError(404, 'NotFound', 'the server could not find the metric')),
  });
  await assert.rejects(readResourceMetrics(own, query, signal), {
    message: 'unable to fetch metrics from resource metrics API: the server could not find the metric',
  });
});

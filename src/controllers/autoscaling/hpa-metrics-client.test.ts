import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import type { Client } from '../../client/client.ts';
import { readObjectMetric, readResourceMetrics } from './hpa-metrics-client.ts';
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

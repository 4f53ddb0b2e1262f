import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subresourcesOf, verbOf } from './server-auth.ts';

test('stats, metrics and logs have rights of their own; newer subresources are allowed by nodes/proxy, too', () => {
  const rows: [string, string[]][] = [
    ['/stats/summary', ['stats']],
    ['/metrics', ['metrics']],
    ['/metrics/cadvisor', ['metrics']],
    ['/metricsx', ['proxy']],
    ['/logs/', ['log']],
    ['/healthz', ['healthz', 'proxy']],
    ['/healthz/ping', ['healthz', 'proxy']],
    ['/pods', ['pods', 'proxy']],
    ['/runningpods/', ['pods', 'proxy']],
    ['/configz', ['configz', 'proxy']],
    ['/exec/ns/pod/c', ['proxy']],
    ['/', ['proxy']],
  ];
  for (const [path, expected] of rows) assert.deepEqual(subresourcesOf(path), expected, path);
});

test('verbs are those of reviews', () => {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
  assert.deepEqual(methods.map(verbOf), ['get', 'create', 'update', 'patch', 'delete']);
});

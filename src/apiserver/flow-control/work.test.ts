import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePath } from '../http/request/path.ts';
import { changesObjects, estimateAftermath, estimateSeats, type StoredStats } from './work.ts';

const kilobyte = 1_000;

test('a list takes a seat for every 100 kB that it needs at once, of which there are never more than 1 MB', () => {
  const rows: [string, StoredStats | undefined, number][] = [
    ['/api/v1/pods', { count: 950, bytes: 950 * kilobyte }, 10],
    ['/api/v1/pods', { count: 100_000, bytes: 100_000 * kilobyte }, 10],
    ['/api/v1/pods', { count: 950, bytes: 95 * kilobyte }, 1],
    ['/api/v1/pods', { count: 4, bytes: 4 * 90 * kilobyte }, 4],
    ['/api/v1/pods?limit=2', { count: 4, bytes: 4 * 90 * kilobyte }, 2],
    ['/api/v1/pods?limit=500&labelSelector=a', { count: 950, bytes: 950 * kilobyte }, 5],
    ['/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Db', { count: 2, bytes: 500 * kilobyte }, 3],
    ['/api/v1/pods?watch=1', { count: 950, bytes: 950 * kilobyte }, 10],
    ['/api/v1/pods?watch=1&resourceVersion=7', { count: 950, bytes: 950 * kilobyte }, 1],
    ['/api/v1/namespaces/a/pods/b', { count: 2, bytes: 500 * kilobyte }, 1],
    ['/api/v1/pods', { count: 0, bytes: 0 }, 1],
    ['/apis/elsewhere.example.com/v1/things', undefined, 1],
  ];
  for (const [target, stats, seats] of rows) {
    const [path = '', search] = target.split('?');
    const query = new URLSearchParams(search);
    const info = parsePath('GET', path, query);
    assert.equal(estimateSeats(info, query, { stats, seatsMax: 100 }), seats, target);
    assert.equal(estimateSeats(info, query, { stats, seatsMax: 2 }), Math.min(2, seats), target);
  }
});

test('a write keeps a seat for every ten watchers, or fewer of them for longer', () => {
  const rows: [watchers: number, seatsMax: number, seats: number, ms: number][] = [
    [0, 100, 0, 0],
    [9, 100, 0, 0],
    [10, 100, 1, 5],
    [25, 100, 3, 5],
    [100, 100, 10, 5],
    [1_000, 100, 10, 50],
    [25, 2, 2, 7.5],
  ];
  for (const [watchers, seatsMax, seats, ms] of rows)
    assert.deepEqual(estimateAftermath(watchers, seatsMax), { seats, ms }, `${watchers} ${seatsMax}`);
});

test('reads change nothing, and neither does a request for a token', () => {
  const rows: [method: string, path: string, changes: boolean][] = [
    ['GET', '/api/v1/pods', false],
    ['POST', '/api/v1/namespaces/a/pods', true],
    ['DELETE', '/api/v1/namespaces/a/pods', true],
    ['PUT', '/api/v1/namespaces/a/pods/b/status', true],
    ['POST', '/api/v1/namespaces/a/serviceaccounts/b/token', false],
    ['POST', '/metrics', false],
  ];
  for (const [method, path, changes] of rows)
    assert.equal(
      changesObjects(parsePath(method, path, new URLSearchParams())),
      changes,
      `${method} ${path}`,
    );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatcherCounts } from './watcher-counts.ts';

test('watchers of all objects, of a namespace and of an object are interested in it', () => {
  const counts = new WatcherCounts();
  const of = (namespace: string, name: string) => counts.interestedIn({ namespace, name });
  const leave = [
    counts.add({ namespace: '', name: '' }),
    counts.add({ namespace: 'a', name: '' }),
    counts.add({ namespace: 'a', name: 'x' }),
    counts.add({ namespace: 'a', name: 'x' }),
    counts.add({ namespace: '', name: 'x' }),
  ];
  const rows = () => [of('a', 'x'), of('a', 'y'), of('a', ''), of('b', 'x'), of('', 'x'), of('', '')];
  assert.deepEqual(rows(), [4, 2, 2, 1, 2, 1]);
  leave.pop()!();
  leave.pop()!();
  assert.deepEqual(rows(), [3, 2, 2, 1, 1, 1]);
  for (const end of leave) end();
  assert.deepEqual(rows(), [0, 0, 0, 0, 0, 0]);
});

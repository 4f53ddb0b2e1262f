import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResourceCache } from './resource-cache.ts';

const value = (text: string) => Buffer.from(JSON.stringify({ metadata: { name: text } }));

test('a list gathered over several turns shows the state at the call', async () => {
  const cache = new ResourceCache('/registry/things/', 0);
  const count = 60_000;
  for (let index = 0; index < count; index++) cache.load(`a/${index}`, 1, value('old'));
  const before = cache.all('');
  let turns = 0;
  let revision = 1;
  let isDone = false;
  const change = () => {
    turns++;
    for (const index of [turns, count - turns]) {
      cache.apply('put', `a/${index}`, ++revision, value('new'));
      cache.apply('delete', `a/${index + 500}`, ++revision, value('gone'));
      cache.apply('put', `a/${index + 500}`, ++revision, value('there again'));
      cache.apply('put', `b/${index}`, ++revision, value('another'));
    }
    if (!isDone) setImmediate(change);
  };
  setImmediate(change);
  const found = await cache.allInSlices('');
  isDone = true;
  assert.ok(turns > 0, 'it took one turn');
  assert.deepEqual(
    found.map(({ key, revision }) => [key, revision]),
    before.map(({ key, revision }) => [key, revision]),
  );
  assert.equal(cache.get('a/1')!.revision > 1, true);
});

test('the history stays within its bytes, also when clients have asked for what it holds', () => {
  const cache = new ResourceCache('/registry/configmaps/', 0);
  let revision = 0;
  const put = (sizeBytes: number) => {
    const value = Buffer.from(`{"metadata":{},"data":"${'x'.repeat(sizeBytes)}"}`);
    const { object } = cache.apply('put', 'default/a', ++revision, value);
    // What goes out to clients is a few bytes longer than what is stored.
    return object.bytes;
  };
  for (let round = 0; round < 200_000; round++) put(1);
  const from = revision;
  for (let round = 0; round < 3; round++) put(1024 * 1024);
  assert.equal(
    cache.eventsAfter(from),
    undefined,
    'three changes of 1 MiB, before and after, are more than 4 MiB',
  );
});

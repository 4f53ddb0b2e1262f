import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResourceCache } from './resource-cache.ts';

const value = (text: string) => Buffer.from(JSON.stringify({ metadata: { name: text } }));

test('what is gathered over several turns is what was there at the call', async () => {
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

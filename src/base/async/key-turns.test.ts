import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyTurns } from './key-turns.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Tasks that are under way until they are told to end. */
function stage() {
  const turns = new KeyTurns();
  const underWay = new Map<string, PromiseWithResolvers<void>>();
  const take = (name: string, keys: readonly string[]) =>
    turns.take(keys, async () => {
      const end = Promise.withResolvers<void>();
      underWay.set(name, end);
      await end.promise.finally(() => underWay.delete(name));
      return name;
    });
  return { take, end: (name: string) => underWay.get(name)!.resolve(), underWay };
}

test('of one key, one task runs at a time, first come, first served; other keys do not wait', async () => {
  const { take, end, underWay } = stage();
  const all = [take('first', ['a']), take('second', ['a']), take('third', ['a']), take('other', ['b'])];
  await turn();
  assert.deepEqual([...underWay.keys()], ['first', 'other']);
  end('first');
  await turn();
  assert.deepEqual([...underWay.keys()], ['other', 'second']);
  end('second');
  await turn();
  assert.deepEqual([...underWay.keys()], ['other', 'third']);
  end('other');
  end('third');
  assert.deepEqual(await Promise.all(all), ['first', 'second', 'third', 'other']);
});

test('a task for several keys waits for all of them, and holds up later ones for each', async () => {
  const { take, end, underWay } = stage();
  const all = [take('a', ['a']), take('b', ['b']), take('both', ['a', 'b']), take('later', ['b'])];
  await turn();
  end('a');
  await turn();
  assert.deepEqual([...underWay.keys()], ['b']);
  end('b');
  await turn();
  assert.deepEqual([...underWay.keys()], ['both']);
  end('both');
  await turn();
  assert.deepEqual([...underWay.keys()], ['later']);
  end('later');
  await Promise.all(all);
});

test('a task that fails is its own failure: the next one has its turn', async () => {
  const turns = new KeyTurns();
  const failing = turns.take(['a'], () => Promise.reject(new Error('no')));
  const next = turns.take(['a'], async () => 'done');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'done');
});

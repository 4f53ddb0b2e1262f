import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { keepTable } from './kept-table.ts';

/** As `nft` answers: of tables with one chain on a hook each, by the number of its rules. */
function answer(tables: Map<string, number>, words: readonly string[]): string {
  const name = words.at(-1)!;
  if (words[0] === 'delete') {
    tables.delete(name);
    return '';
  }
  const nftables = words.includes('tables')
    ? [...tables.keys()].map((each) => ({ table: { name: each } }))
    : [
        { chain: { name: 'filter', hook: 'forward' } },
        { chain: { name: 'version-1' } },
        ...Array(tables.get(name)).fill({ rule: { chain: 'filter' } }),
      ];
  return JSON.stringify({ nftables: [{ metainfo: {} }, ...nftables] });
}

test('a table whose rules something else flushed is removed, and made again', async (t) => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const tables = new Map([['ours', 2]]);
  let restored = 0;
  void keepTable(
    {
      name: 'ours',
      clock,
      logger: silentLogger,
      run: async (_command, words) => answer(tables, words),
      isWanted: () => true,
      restore: () => {
        assert.ok(!tables.has('ours'));
        restored++;
        tables.set('ours', 2);
      },
    },
    stop.signal,
  );
  await clock.advance(60_000);
  assert.equal(restored, 0);
  tables.set('ours', 0);
  await clock.advance(90_000);
  assert.equal(restored, 1);
});

test('a table that something else removed is made again, unless it is not to be there', async (t) => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const tables = new Map([
    ['ours', 1],
    ['firewall', 0],
  ]);
  let isWanted = true;
  let problem: Error | undefined;
  let restored = 0;
  void keepTable(
    {
      name: 'ours',
      clock,
      logger: silentLogger,
      run: async (_command, words) => {
        if (problem) throw problem;
        return answer(tables, words);
      },
      isWanted: () => isWanted,
      restore: () => {
        restored++;
        tables.set('ours', 1);
      },
    },
    stop.signal,
  );
  await clock.advance(60_000);
  assert.equal(restored, 0);
  tables.clear();
  problem = new Error('no process can be started');
  await clock.advance(30_000);
  assert.equal(restored, 0);
  problem = undefined;
  await clock.advance(90_000);
  assert.equal(restored, 1);
  tables.clear();
  isWanted = false;
  await clock.advance(90_000);
  assert.equal(restored, 1);
});

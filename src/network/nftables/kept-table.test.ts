import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../base/logger.ts';
import { VirtualClock } from '../../base/virtual-clock.ts';
import { keepTable } from './kept-table.ts';

test('a table that something else removed is made again, unless it is not to be there', async (t) => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  t.after(() => stop.abort());
  const tables = new Set(['ours', 'firewall']);
  let isWanted = true;
  let problem: Error | undefined;
  let restored = 0;
  void keepTable(
    {
      name: 'ours',
      clock,
      logger: silentLogger,
      run: async () => {
        if (problem) throw problem;
        return JSON.stringify({
          nftables: [{ metainfo: {} }, ...[...tables].map((name) => ({ table: { name } }))],
        });
      },
      isWanted: () => isWanted,
      restore: () => {
        restored++;
        tables.add('ours');
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

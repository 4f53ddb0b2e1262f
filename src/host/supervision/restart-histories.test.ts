import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder } from '../data-folder.ts';
import { readRestartHistories, restartHistoriesFile, writeRestartHistories } from './restart-histories.ts';

test('restarts are remembered; a file that was cut short counts as none', (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-histories-'));
  t.after(() => rmSync(path, { recursive: true }));
  const folder = dataFolder(path).cluster('c');
  const histories = { server: { count: 1, streak: 1, atMs: 5 } };
  writeRestartHistories(folder, histories);
  assert.deepEqual(readRestartHistories(folder), histories);
  writeFileSync(restartHistoriesFile(folder), '');
  assert.deepEqual(readRestartHistories(folder), {});
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../base/async/until.fixture.ts';
import { systemClock } from '../../base/clock.ts';
import { createLogger } from '../../base/logger.ts';
import { newClusterRecord, saveClusterRecord } from '../cluster/cluster-record.ts';
import { dataFolder } from '../data-folder.ts';
import { healCluster } from './heal.ts';
import { restartHistoriesFile } from './restart-histories.ts';
import { writeWatchList } from './watch-list.ts';

test('what died is started again also when restarts cannot be written down, as on a full disk', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-heal-'));
  t.after(() => rmSync(path, { recursive: true }));
  const data = dataFolder(path);
  const folder = data.cluster('one');
  const record = { ...newClusterRecord('one', 6443), simulatedNodes: 1 };
  mkdirSync(folder.path, { recursive: true });
  saveClusterRecord(folder, record);
  writeWatchList(folder, record);
  // Where the new content goes first.
  mkdirSync(`${restartHistoriesFile(folder)}.new`);
  const started = join(path, 'started');
  const node = join(path, 'server.sh');
  writeFileSync(node, `#!/bin/sh\n: >${started}\n`, { mode: 0o755 });
  let said = '';
  const logger = createLogger({
    clock: systemClock,
    write: (line) => {
      said += line;
    },
    component: 'test',
  });
  const programs = { node, server: 'server', agent: 'agent', heal: 'heal', root: path, version: '1' };
  const steps = { run: <Result>(_title: string, work: () => Promise<Result>) => work() };
  await healCluster({ data, programs, steps }, 'one', { clock: systemClock, logger });
  await until(() => existsSync(started));
  assert.match(said, /restarts cannot be counted/);
});

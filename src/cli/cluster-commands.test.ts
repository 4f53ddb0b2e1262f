import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../base/sparse.fixture.ts';
import { serverRecordFile } from '../host/cluster-context.ts';
import { newClusterRecord, saveClusterRecord } from '../host/cluster-record.ts';
import { dataFolder } from '../host/data-folder.ts';
import { remove } from './cluster-commands.ts';
import type { CliContext } from './context.ts';

test('of all clusters, one that cannot be deleted keeps no other', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-delete-'));
  t.after(() => rmSync(path, { recursive: true }));
  const data = dataFolder(path);
  for (const name of ['a', 'b'])
    saveClusterRecord(data.cluster(name), { ...newClusterRecord(name, 1), simulatedNodes: 1 });
  mkdirSync(serverRecordFile(data.cluster('a')), { recursive: true });
  const said: string[] = [];
  const context = sparse<CliContext>({
    data,
    env: { KUBECONFIG: join(path, 'kubeconfig') },
    print: (line: string) => said.push(line),
    complain: (line: string) => said.push(line.split(':')[0]!),
    isTerminal: false,
  });
  await assert.rejects(remove.run(context, ['--all']), { code: 'EISDIR' });
  assert.deepEqual(said, ['cluster a is not deleted', 'cluster b is deleted']);
  assert.deepEqual(
    ['a', 'b'].map((name) => existsSync(data.cluster(name).path)),
    [true, false],
  );
});

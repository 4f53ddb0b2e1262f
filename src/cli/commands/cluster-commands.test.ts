import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { serverRecordFile } from '../../host/cluster/cluster-context.ts';
import { newClusterRecord, saveClusterRecord } from '../../host/cluster/cluster-record.ts';
import { dataFolder } from '../../host/data-folder.ts';
import type { CliContext } from '../context.ts';
import { main } from '../main.ts';
import { kubeconfig, remove } from './cluster-commands.ts';
import { status } from './status.ts';

test('a cluster that cannot be deleted does not keep the others', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-delete-'));
  t.after(() => rmSync(path, { recursive: true }));
  const data = dataFolder(path);
  for (const name of ['a', 'b'])
    saveClusterRecord(data.cluster(name), { ...newClusterRecord(name, 1), simulatedNodes: 1 });
  mkdirSync(serverRecordFile(data.cluster('a')), { recursive: true });
  const said: string[] = [];
  const context = sparse<CliContext>({
    data,
    programs: sparse<CliContext['programs']>({ server: join(path, 'server.ts') }),
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

test('status works for a cluster that never came up, and kubeconfig says that it has no keys', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-never-up-'));
  t.after(() => rmSync(path, { recursive: true }));
  const data = dataFolder(path);
  saveClusterRecord(data.cluster('blue'), newClusterRecord('blue', 1));
  const said: string[] = [];
  const context = sparse<CliContext>({ data, print: (line: string) => said.push(line), isTerminal: false });
  assert.equal(await status.run(context, ['--name', 'blue']), 1);
  assert.deepEqual(said, ['cluster     blue', 'API server  stopped: wherry up --name blue starts it']);
  await assert.rejects(kubeconfig.run(context, ['--name', 'blue']), {
    message: 'cluster blue has no keys: it has never come up',
    advice: 'bring it up: wherry up --name blue',
  });
});

test('a word that every object knows is no command and no add-on', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'wherry-words-'));
  t.after(() => rmSync(path, { recursive: true }));
  const said: string[] = [];
  const context = sparse<CliContext>({ data: dataFolder(path), complain: (line: string) => said.push(line) });
  assert.equal(await main(context, ['constructor']), 2);
  assert.equal(await main(context, ['addons', 'enable', 'constructor']), 2);
  assert.match(said[0]!, /^wherry has no command "constructor"/);
  assert.match(said[1]!, /^unknown add-on "constructor"/);
});

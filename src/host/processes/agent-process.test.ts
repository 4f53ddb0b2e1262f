import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { agentRecordFile } from '../cluster-context.ts';
import { dataFolder } from '../data-folder.ts';
import { agentInForce } from './agent-process.ts';
import { processIdentity, recordProcess } from './process.ts';

test('an agent that runs but asks where the server is no longer is not the one to keep', () => {
  const home = mkdtempSync(join(tmpdir(), 'wherry-agent-'));
  try {
    const folder = dataFolder(home).cluster('c');
    const recordFile = agentRecordFile(folder, 'n');
    const at = (apiPort: number) => agentInForce(folder, 'n', { subnet: '172.30.1', apiPort });
    assert.equal(at(6443), undefined);
    mkdirSync(dirname(recordFile), { recursive: true });
    const self = processIdentity(process.pid)!;
    recordProcess(recordFile, self);
    const servers = ['https://172.30.1.1:6443'];
    writeFileSync(join(folder.node('n').run, 'agent-config.json'), JSON.stringify({ servers }));
    assert.deepEqual(at(6443), self);
    assert.equal(at(6446), undefined);
  } finally {
    rmSync(home, { recursive: true });
  }
});

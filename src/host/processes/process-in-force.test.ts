import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sparse } from '../../base/sparse.fixture.ts';
import { processIdentity, recordProcess } from './process.ts';
import { type AgentConfig, writeConfig } from './process-config.ts';
import { processInForce } from './process-in-force.ts';

test('a process is in force while it runs with the very configuration that it would be started with', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-in-force-'));
  try {
    const [recordFile, configFile] = [join(folder, 'agent.json'), join(folder, 'agent-config.json')];
    const config = (version: string, port: number) =>
      sparse<AgentConfig>({
        programVersion: version,
        servers: [`https://172.30.1.1:${port}`],
        kubelet: undefined,
      });
    assert.equal(processInForce(recordFile, configFile, config('a', 6443)), undefined);
    const self = processIdentity(process.pid)!;
    recordProcess(recordFile, self);
    writeConfig(configFile, config('a', 6443));
    assert.deepEqual(processInForce(recordFile, configFile, config('a', 6443)), self);
    assert.equal(processInForce(recordFile, configFile, config('b', 6443)), undefined);
    assert.equal(processInForce(recordFile, configFile, config('a', 6446)), undefined);
    writeFileSync(configFile, '{"programVersion": "a');
    assert.equal(processInForce(recordFile, configFile, config('a', 6443)), undefined);
    rmSync(configFile);
    assert.equal(processInForce(recordFile, configFile, config('a', 6443)), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { shortenLogs } from './log-limit.ts';
import { logBytesMax } from './process.ts';

test('a long log is put aside, and its process goes on writing to it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-logs-'));
  const logs = ['server', 'agent'].map((name) => openSync(join(folder, `${name}.log`), 'a'));
  try {
    const [server, agent] = logs;
    writeSync(server!, Buffer.alloc(logBytesMax, 'a'));
    writeSync(agent!, 'short\n');
    await shortenLogs(folder);
    assert.deepEqual(readdirSync(folder).sort(), ['agent.log', 'server.log']);
    writeSync(server!, 'last\n');
    await shortenLogs(folder);
    writeSync(server!, 'next\n');
    assert.equal(readFileSync(join(folder, 'server.log'), 'utf8'), 'next\n');
    assert.equal(statSync(join(folder, 'server.log.1')).size, logBytesMax + 'last\n'.length);
    assert.equal(readFileSync(join(folder, 'agent.log'), 'utf8'), 'short\n');
    await shortenLogs(join(folder, 'none'));
  } finally {
    for (const log of logs) closeSync(log);
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stopUnrecorded } from './unrecorded.ts';

test('a process without a record is ended by its program and configuration, and no other', async (t) => {
  if (!existsSync('/proc/self/cmdline')) return t.skip('needs /proc');
  const folder = mkdtempSync(join(tmpdir(), 'wherry-unrecorded-'));
  const program = join(folder, 'server.mjs');
  writeFileSync(program, 'process.stdout.write("up"); setInterval(() => {}, 1000);');
  const start = async (...words: string[]) => {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    return child;
  };
  const lost = await start(program, join(folder, 'one.json'));
  const others = [
    await start(program, join(folder, 'two.json')),
    await start('-e', 'process.stdout.write("up"); setInterval(() => {}, 1000)', join(folder, 'one.json')),
  ];
  try {
    const ended = once(lost, 'exit');
    await stopUnrecorded(program, join(folder, 'one.json'), 5000);
    await ended;
    for (const other of others) assert.equal(other.exitCode ?? other.signalCode, null);
  } finally {
    for (const child of [lost, ...others]) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { imageArchitecture } from './archive.ts';
import { pauseProgram } from './pause.ts';

test('the pause program sleeps, and exits with 0 on a signal', {
  skip: process.platform !== 'linux',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-pause-'));
  try {
    const file = join(folder, 'pause');
    writeFileSync(file, pauseProgram(imageArchitecture()), { mode: 0o755 });
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const child = spawn(file);
      await once(child, 'spawn');
      await untilAsleep(child.pid!);
      child.kill(signal);
      const [code] = (await once(child, 'exit')) as [number];
      assert.equal(code, 0, signal);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** It has set up everything once it waits for signals. */
async function untilAsleep(pid: number): Promise<void> {
  while (!/^State:\tS/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) || ignoredSignals(pid) === 0n)
    await new Promise((resolve) => setImmediate(resolve));
}

/** The program ignores the end of children; right after the fork nothing is ignored yet. */
function ignoredSignals(pid: number): bigint {
  const mask = /^SigIgn:\s*(\S+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return BigInt(`0x${mask}`) & (1n << 16n);
}

test('both processors get an ELF file of less than a page, named for them in its header', () => {
  for (const [architecture, machine] of [
    ['amd64', 62],
    ['arm64', 183],
  ] as const) {
    const program = pauseProgram(architecture);
    assert.equal(program.toString('latin1', 0, 4), '\x7fELF');
    assert.equal(program.readUInt16LE(18), machine);
    assert.ok(program.byteLength < 4096);
  }
  assert.throws(() => pauseProgram('mips'), /mips/);
});

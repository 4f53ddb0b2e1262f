import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

test('mending ends in order when the supervisor that asked for it is gone', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-heal-'));
  try {
    const program = fileURLToPath(new URL('./heal.ts', import.meta.url));
    const child = spawn(process.execPath, [program, folder, 'none'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const [code] = await once(child, 'close');
    assert.deepEqual({ code, said }, { code: 0, said: '' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

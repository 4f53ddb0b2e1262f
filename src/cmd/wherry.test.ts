import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

test('a command whose reader is gone ends without a word', async () => {
  const script = new URL('wherry.ts', import.meta.url).pathname;
  const command = spawn(process.execPath, [script, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  command.stdout.destroy();
  const [complaints, [code]] = await Promise.all([text(command.stderr), once(command, 'exit')]);
  assert.deepEqual({ complaints, code }, { complaints: '', code: 141 });
});

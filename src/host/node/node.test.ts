import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const timeout = 60_000;

/** A socket on which nobody answers, nor hangs up. */
async function hangingSocket(t: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-socket-'));
  const path = join(folder, 'socket');
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return path;
}

test('who asks whether a containerd takes connections is not held up by one that hangs', {
  timeout,
}, async (t) => {
  const path = await hangingSocket(t);
  const module = fileURLToPath(new URL('./node.ts', import.meta.url));
  const code = `import { accepts } from ${JSON.stringify(module)}; console.log(await accepts(${JSON.stringify(path)}));`;
  const asking = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: timeout / 2,
  });
  const output = (async () => {
    let text = '';
    for await (const chunk of asking.stdout) text += chunk;
    return text;
  })();
  const exitCode = await new Promise((resolve) => asking.once('exit', resolve));
  assert.deepEqual([exitCode, await output], [0, 'true\n']);
});

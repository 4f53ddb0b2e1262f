import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { namedProgram } from './named-program.ts';

test('a program is started under another name, also after it has moved', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-named-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const run = join(folder, 'run');
  namedProgram(run, 'kubelet', '/gone/node');
  const path = namedProgram(run, 'kubelet', process.execPath);
  assert.equal(namedProgram(run, 'kubelet', process.execPath), path);
  assert.deepEqual(readdirSync(run), ['kubelet']);
  const script = 'console.log(process.argv0, process.execPath)';
  assert.equal(execFileSync(path, ['-e', script], { encoding: 'utf8' }), `${path} ${process.execPath}\n`);
});

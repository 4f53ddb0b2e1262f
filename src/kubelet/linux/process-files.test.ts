import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFilesOf } from './process-files.ts';

test('open files and sockets of processes are counted, and ended processes have none', (t) => {
  const proc = mkdtempSync(join(tmpdir(), 'wherry-proc-'));
  t.after(() => rmSync(proc, { recursive: true }));
  for (const [pid, links] of [
    [7, ['/dev/null', 'socket:[1]', 'pipe:[2]']],
    [8, ['socket:[3]']],
  ] as const) {
    mkdirSync(join(proc, `${pid}/fd`), { recursive: true });
    for (const [fd, target] of links.entries()) symlinkSync(target, join(proc, `${pid}/fd/${fd}`));
  }
  const limits = (soft: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files  ${soft}  4096  files\n`;
  writeFileSync(join(proc, '7/limits'), limits('1024'));
  writeFileSync(join(proc, '8/limits'), limits('unlimited'));
  assert.deepEqual(openFilesOf([7, 8, 9], proc), { descriptors: 4, sockets: 2, softMax: 1024 });
  assert.deepEqual(openFilesOf([8], proc), { descriptors: 1, sockets: 1, softMax: -1 });
  assert.deepEqual(openFilesOf([], proc), { descriptors: 0, sockets: 0 });
  assert.equal(openFilesOf([process.pid]).descriptors > 0, true);
});

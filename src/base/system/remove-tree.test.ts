import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { removeTree } from './remove-tree.ts';

suite('removing a folder', () => {
  test('takes what is in it along, and is done when there is none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wherry-tree-'));
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/b/c'), '');
    await removeTree(folder);
    assert.ok(!existsSync(folder));
    await removeTree(folder);
  });

  test('names a file that may not be removed, and why', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'wherry-tree-'));
    const file = join(folder, 'immutable');
    writeFileSync(file, '');
    const mark = (flag: string) => execFileSync('chattr', [flag, file], { stdio: 'ignore' });
    try {
      mark('+i');
    } catch {
      rmSync(folder, { recursive: true });
      t.skip('needs root, chattr and a file system that knows the mark');
      return;
    }
    try {
      await assert.rejects(removeTree(folder), { code: 'EPERM', path: file });
    } finally {
      mark('-i');
      rmSync(folder, { recursive: true });
    }
  });
});

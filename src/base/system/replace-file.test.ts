import assert from 'node:assert/strict';
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { createFile, replaceFile } from './replace-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-replace-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'file');

/** Every write stores half of its content and fails, as on a disk that becomes full. */
function onFullDisk(work: () => void): void {
  const original = fs.writeFileSync;
  const full = mock.method(fs, 'writeFileSync', (target: number, content: string) => {
    original(target, content.slice(0, content.length / 2));
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
  syncBuiltinESMExports();
  try {
    assert.throws(work, { code: 'ENOSPC' });
  } finally {
    full.mock.restore();
    syncBuiltinESMExports();
  }
}

test('a disk that becomes full leaves a file as it was, and makes no file of half its content', () => {
  onFullDisk(() => replaceFile(file, 'content'));
  onFullDisk(() => createFile(file, 'content'));
  assert.deepEqual(readdirSync(folder), []);
  replaceFile(file, 'former', 0o600);
  onFullDisk(() => replaceFile(file, 'content'));
  assert.equal(readFileSync(file, 'utf8'), 'former');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  replaceFile(file, 'content', 0o640);
  assert.equal(readFileSync(file, 'utf8'), 'content');
  assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder), ['file']);
});

test('a file that is there is not created again', () => {
  const own = join(folder, 'own');
  assert.equal(createFile(own, 'first', 0o600), true);
  assert.equal(createFile(own, 'second', 0o600), false);
  assert.equal(readFileSync(own, 'utf8'), 'first');
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nodeFolder } from '../data-folder.ts';
import { keepReserve, reserveFile, useReserve } from './containerd-reserve.ts';

function fixture(t: TestContext) {
  const folder = nodeFolder(mkdtempSync(join(tmpdir(), 'wherry-reserve-')));
  t.after(() => rmSync(folder.path, { recursive: true }));
  mkdirSync(folder.varLib);
  /** Some of it still finds room. */
  const onFullDisk = (file: unknown) => {
    writeFileSync(file as string, 'a part');
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return { folder, onFullDisk, isKept: () => existsSync(reserveFile(folder)) };
}

test('a start of containerd finds the room that was kept for it, though the disk is full meanwhile', (t) => {
  const { folder, onFullDisk, isKept } = fixture(t);
  assert.equal(keepReserve(folder), true);
  assert.ok(statSync(reserveFile(folder)).blocks * 512 >= 4 * 1024 * 1024);
  useReserve(folder, onFullDisk);
  assert.equal(isKept(), false);
});

test('without a reserve and without room containerd is not started, and nothing is left of the attempt', (t) => {
  const { folder, onFullDisk, isKept } = fixture(t);
  assert.equal(keepReserve(folder, onFullDisk), false);
  assert.throws(() => useReserve(folder, onFullDisk), /no room to take over/);
  assert.equal(isKept(), false);
});

test('with room there is no need of a reserve, and another error is told', (t) => {
  const { folder, isKept } = fixture(t);
  useReserve(folder);
  assert.equal(isKept(), false);
  const readOnly = () => {
    throw Object.assign(new Error('read-only'), { code: 'EROFS' });
  };
  assert.throws(() => keepReserve(folder, readOnly), { code: 'EROFS' });
});

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nodeFolder } from '../data-folder.ts';
import { keepReserve, reserveFile, useReserve } from './containerd-reserve.ts';

const mebibyte = 1024 * 1024;

function fixture(t: TestContext) {
  const folder = nodeFolder(mkdtempSync(join(tmpdir(), 'wherry-reserve-')));
  t.after(() => rmSync(folder.path, { recursive: true }));
  mkdirSync(folder.varLib);
  return { folder, isKept: () => existsSync(reserveFile(folder)) };
}

test('a start of containerd finds the room that was kept for it, though the disk is full meanwhile', (t) => {
  const { folder, isKept } = fixture(t);
  keepReserve(folder);
  assert.ok(statSync(reserveFile(folder)).blocks * 512 >= 4 * mebibyte);
  useReserve(folder, () => 4 * mebibyte);
  assert.equal(isKept(), true);
  useReserve(folder, () => 0);
  assert.equal(isKept(), false);
});

test('without a reserve and without room containerd is not started', (t) => {
  const { folder } = fixture(t);
  assert.throws(() => useReserve(folder, () => 4 * mebibyte - 1), /no room to take over/);
  useReserve(folder, () => 4 * mebibyte);
});

test('the last of a disk is not taken for the reserve, even for a moment', (t) => {
  const { folder, isKept } = fixture(t);
  keepReserve(folder, () => 8 * mebibyte - 1);
  assert.equal(isKept(), false);
  keepReserve(folder, () => 8 * mebibyte);
  assert.equal(isKept(), true);
});

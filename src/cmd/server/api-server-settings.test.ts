import assert from 'node:assert/strict';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { auditWriter } from './api-server-settings.ts';

test('a full audit log is put aside; one that cannot be is not closed, as its number would be that of another file', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-audit-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'audit.log');
  const write = auditWriter(file, 10);
  write('the first line\n');
  mkdirSync(`${file}.1`);
  assert.throws(() => write('lost\n'), /audit\.log/);
  const other = join(folder, 'other');
  const handle = openSync(other, 'w');
  rmdirSync(`${file}.1`);
  write('the second line\n');
  assert.equal(readFileSync(`${file}.1`, 'utf8'), 'the first line\n');
  assert.equal(readFileSync(file, 'utf8'), 'the second line\n');
  write('the third line\n');
  assert.equal(readFileSync(file, 'utf8'), 'the third line\n');
  assert.equal(fstatSync(handle).ino, statSync(other).ino);
  closeSync(handle);
});

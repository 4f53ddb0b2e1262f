import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lastLines } from './last-lines.ts';

test('the last lines of a log are found in files short and long', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-lines-'));
  const file = join(folder, 'log');
  try {
    writeFileSync(file, '');
    assert.deepEqual(lastLines(file, 3), []);
    writeFileSync(file, 'a\nb\n');
    assert.deepEqual(lastLines(file, 3), ['a', 'b']);
    assert.deepEqual(lastLines(file, 3, 2), ['b']);
    assert.deepEqual(lastLines(file, 3, 4), [], 'nothing since');
    assert.deepEqual(lastLines(file, 3, 99), ['a', 'b'], 'another file by now');
    const lines = Array.from({ length: 5000 }, (_, index) => `line ${index} ${'x'.repeat(index % 700)}`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    for (const count of [1, 20, 4_999, 5_000]) assert.deepEqual(lastLines(file, count), lines.slice(-count));
    writeFileSync(file, 'a\n\nunfinished');
    assert.deepEqual(lastLines(file, 2), ['', 'unfinished']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

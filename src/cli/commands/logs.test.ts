import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { latest, recentLines } from './logs.ts';

test('the access log that was written last is shown when several nodes have one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-logs-'));
  try {
    const [old, fresh, absent] = ['old', 'fresh', 'absent'].map((name) => join(folder, name));
    for (const [file, seconds] of [
      [old!, 100],
      [fresh!, 200],
    ] as const) {
      writeFileSync(file, '');
      utimesSync(file, seconds, seconds);
    }
    assert.equal(latest([old!, fresh!, absent!]), fresh);
    assert.equal(latest([absent!]), undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the last lines go back into the log that was put aside', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-logs-'));
  try {
    const file = join(folder, 'server.log');
    writeFileSync(file, 'c\nd\n');
    assert.deepEqual(recentLines(file, 3), ['c', 'd']);
    writeFileSync(`${file}.1`, 'a\nb\n');
    assert.deepEqual(recentLines(file, 3), ['b', 'c', 'd']);
    assert.deepEqual(recentLines(file, 2), ['c', 'd']);
    assert.deepEqual(recentLines(file, 0), []);
    writeFileSync(file, '');
    assert.deepEqual(recentLines(file, 1), ['b']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lastLines } from './last-lines.ts';
import { liveSteps } from './live-steps.ts';

test('without a terminal there is one line per step, when it is done, with its time', async () => {
  let text = '';
  let nowMs = 0;
  const steps = liveSteps({ write: (more) => (text += more), isTerminal: false, nowMs: () => nowMs });
  const result = await steps.run('first', async () => {
    nowMs += 1500;
    return 42;
  });
  assert.equal(result, 42);
  await assert.rejects(
    steps.run('second', () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.match(text, /^ ✓ first +1\.5 s\n ✗ second +0\.0 s\n$/);
});

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
    assert.deepEqual(lastLines(file, 20), lines.slice(-20));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { withLock } from './lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-lock-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('two at once take turns, and nothing is left', async () => {
  const file = join(folder, 'turns');
  const steps: string[] = [];
  const work = (name: string) =>
    withLock(file, async () => {
      steps.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`${name} ends`);
    });
  await Promise.all([work('first'), work('second')]);
  assert.deepEqual(steps, ['first begins', 'first ends', 'second begins', 'second ends']);
  assert.equal(existsSync(file), false);
});

test('a lock is taken over from a process that is gone, and from a file that is none', async () => {
  const file = join(folder, 'left');
  symlinkSync(JSON.stringify({ pid: 2 ** 22 + 1, startTicks: 1 }), file);
  assert.equal(await withLock(file, async () => 'mine'), 'mine');
  writeFileSync(file, '');
  assert.equal(await withLock(file, async () => 'mine'), 'mine');
});

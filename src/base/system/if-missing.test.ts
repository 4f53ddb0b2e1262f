import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ifMissing } from './if-missing.ts';

test('a missing file reads as the fallback; an unreadable one is an error', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'if-missing-'));
  try {
    const file = join(folder, 'file');
    await writeFile(file, 'text');
    assert.equal(await readFile(join(folder, 'none'), 'utf8').catch(ifMissing('')), '');
    assert.deepEqual(await readdir(join(file, 'below')).catch(ifMissing([])), []);
    assert.equal(await readFile(file, 'utf8').catch(ifMissing('')), 'text');
    await assert.rejects(readFile(folder, 'utf8').catch(ifMissing('')), { code: 'EISDIR' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

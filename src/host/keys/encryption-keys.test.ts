import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureEncryptionKeys, readEncryptionKeys } from './encryption-keys.ts';

test('a key is made once, readable by its owner only; a broken or missing file is an error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-keys-'));
  try {
    assert.throws(() => readEncryptionKeys(folder), { name: 'Failure', message: /is missing/ });
    ensureEncryptionKeys(folder);
    const first = readEncryptionKeys(folder);
    assert.equal(first[0]!.secret.byteLength, 32);
    ensureEncryptionKeys(folder);
    assert.deepEqual(readEncryptionKeys(folder), first);
    const file = join(folder, 'encryption-keys.json');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    writeFileSync(file, '[{"name":"key1","secret":"c2hvcnQ="}]');
    assert.throws(() => readEncryptionKeys(folder), /no proper key/);
    for (const damaged of ['', '[{"name":"key1","sec', '{}', '[{"name":"key1"}]']) {
      writeFileSync(file, damaged);
      assert.throws(() => readEncryptionKeys(folder), { name: 'Failure', message: /no proper key/ }, damaged);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

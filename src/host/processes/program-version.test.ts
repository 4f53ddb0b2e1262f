import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { programVersion } from './program-version.ts';

test('the version of a program changes with its files and their times, its dependencies and its place, and with nothing else', () => {
  const root = mkdtempSync(join(tmpdir(), 'wherry-version-'));
  try {
    const source = join(root, 'src', 'cmd', 'server.ts');
    mkdirSync(join(root, 'src', 'cmd'), { recursive: true });
    writeFileSync(join(root, 'package-lock.json'), '{}');
    writeFileSync(source, 'one');
    const seen = [programVersion(root)];
    writeFileSync(join(root, 'notes.txt'), 'no part of it');
    assert.equal(programVersion(root), seen[0]);
    const changes = [
      () => utimesSync(source, 1, 1),
      () => writeFileSync(join(root, 'src', 'more.ts'), ''),
      () => writeFileSync(join(root, 'package-lock.json'), '{"changed": true}'),
    ];
    for (const change of changes) {
      change();
      seen.push(programVersion(root));
    }
    assert.equal(new Set(seen).size, changes.length + 1);
  } finally {
    rmSync(root, { recursive: true });
  }
});

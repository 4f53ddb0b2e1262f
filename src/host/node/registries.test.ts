import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { giveRegistries, keepRegistries } from './registries.ts';

const root = mkdtempSync(join(tmpdir(), 'wherry-registries-'));
after(() => rmSync(root, { recursive: true }));

function write(folder: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, folder, path, '..'), { recursive: true });
    writeFileSync(join(root, folder, path), text);
  }
  return join(root, folder);
}

test('nodes get what the user gave, no more and no less, beside what is their own', () => {
  const kept = join(root, 'kept');
  const node = write('node', { '_default/hosts.toml': 'own', 'gone.example/hosts.toml': 'old' });
  giveRegistries(kept, node);
  assert.ok(existsSync(join(node, 'gone.example')), 'nothing was given');
  keepRegistries(write('first', { 'r.example:5000/hosts.toml': '1', 'r.example:5000/ca.crt': 'c' }), kept);
  giveRegistries(kept, node);
  assert.equal(readFileSync(join(node, 'r.example:5000/ca.crt'), 'utf8'), 'c');
  assert.equal(readFileSync(join(node, '_default/hosts.toml'), 'utf8'), 'own');
  assert.ok(!existsSync(join(node, 'gone.example')));
  keepRegistries(write('second', { 'other.example/hosts.toml': '2' }), kept);
  giveRegistries(kept, node);
  assert.ok(!existsSync(join(node, 'r.example:5000')));
  assert.equal(readFileSync(join(node, 'other.example/hosts.toml'), 'utf8'), '2');
});

test('a folder that is not in that form is refused, and what was kept stays', () => {
  const kept = join(root, 'stays');
  keepRegistries(write('good', { 'r.example/hosts.toml': '1' }), kept);
  const rows: [string, RegExp][] = [
    [join(root, 'missing'), /--registries: cannot read .*missing: no such file or directory/],
    [write('file', { 'hosts.toml': '' }), /hosts.toml is no folder with a hosts.toml/],
    [write('empty', { 'r.example/ca.crt': '' }), /r.example is no folder with a hosts.toml/],
    [write('taken', { '_default/hosts.toml': '' }), /_default cannot be used/],
  ];
  for (const [source, problem] of rows) assert.throws(() => keepRegistries(source, kept), problem);
  assert.equal(readFileSync(join(kept, 'r.example/hosts.toml'), 'utf8'), '1');
});

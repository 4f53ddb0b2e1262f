import assert from 'node:assert/strict';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeAtomically } from './atomic-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-atomic-writer-'));
after(() => rmSync(folder, { recursive: true }));

const file = (text: string, mode = 0o644) => ({ data: Buffer.from(text), mode });

test('files appear through one link, change all at once, and go when they are no longer wanted', async () => {
  const root = join(folder, 'atomic');
  const read = (name: string) => readFileSync(join(root, name), 'utf8');
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('1')],
        ['d/b', file('2', 0o400)],
      ]),
      'v1',
      undefined,
    ),
    true,
  );
  assert.deepEqual([read('a'), read('d/b')], ['1', '2']);
  assert.ok(lstatSync(join(root, 'a')).isSymbolicLink());
  assert.equal(statSync(join(root, 'd/b')).mode & 0o777, 0o400);
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('1')],
        ['d/b', file('2', 0o400)],
      ]),
      'v2',
      undefined,
    ),
    false,
  );
  assert.equal(
    await writeAtomically(
      root,
      new Map([
        ['a', file('3')],
        ['c', file('4')],
      ]),
      'v3',
      undefined,
    ),
    true,
  );
  assert.deepEqual(readdirSync(root).sort(), ['..data', '..v3', 'a', 'c']);
  assert.equal(read('a'), '3');
});

test('a set that cannot be written leaves nothing, and the one before stands', async () => {
  const root = join(folder, 'unwritable');
  await writeAtomically(root, new Map([['a', file('1')]]), 'v1', undefined);
  const odd = new Map([
    ['a', file('2')],
    ['a/b', file('3')],
  ]);
  await assert.rejects(writeAtomically(root, odd, 'v2', undefined));
  assert.deepEqual(readdirSync(root).sort(), ['..data', '..v1', 'a']);
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), '1');
});

test('the group of a volume may read its files and enter its folders, which keep their other rights', async () => {
  const root = join(folder, 'group');
  mkdirSync(root);
  chmodSync(root, 0o1777);
  const gid = process.getgid!();
  await writeAtomically(root, new Map([['d/a', file('1', 0o400)]]), 'v1', gid);
  const modeOf = (name: string) => (statSync(join(root, name)).mode & 0o7777).toString(8);
  assert.deepEqual(['.', '..data/', 'd/', 'd/a'].map(modeOf), ['3777', '2755', '2755', '440']);
});

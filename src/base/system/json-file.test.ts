import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonFile } from './json-file.ts';

test('a file of JSON has the state of its last write, and nothing beside it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'wherry-json-'));
  t.after(() => rm(root, { recursive: true }));
  const path = join(root, 'records', 'all.json');
  const file = new JsonFile<number[]>(path, { mode: 0o600, folderMode: 0o700 });
  assert.equal(await file.read(), undefined);
  const state: number[] = [];
  await Promise.all(
    [1, 2, 3].map((number) => {
      state.push(number);
      return file.write(() => state);
    }),
  );
  assert.deepEqual(await new JsonFile(path).read(), [1, 2, 3]);
  assert.deepEqual(await readdir(join(root, 'records')), ['all.json']);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(root, 'records'))).mode & 0o777, 0o700);
});

test('a write that fails is reported, and keeps none from being made after it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'wherry-json-'));
  t.after(() => rm(root, { recursive: true }));
  const file = new JsonFile<string>(join(root, 'a'));
  const failing = file.write(() => {
    throw new Error('no state');
  });
  const good = file.write(() => 'state');
  await assert.rejects(failing, { message: 'no state' });
  await good;
  assert.equal(await file.read(), 'state');
  await writeFile(join(root, 'a'), '{');
  await assert.rejects(file.read(), SyntaxError);
});

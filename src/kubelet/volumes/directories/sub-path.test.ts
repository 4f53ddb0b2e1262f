import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { unmountBelow } from '../../linux/mounts.ts';
import { writeAtomically } from '../projected/atomic-writer.ts';
import { mountSubPath, readInside } from './sub-path.ts';

const folder = mkdtempSync(join(tmpdir(), 'wherry-sub-path-'));
after(async () => {
  await unmountBelow(folder);
  rmSync(folder, { recursive: true });
});
const needsRoot = { skip: process.getuid?.() === 0 ? false : 'mounts need root' };

test('a folder that a subPath makes has the mode of its volume, whatever the umask', needsRoot, async () => {
  const root = join(folder, 'volume');
  mkdirSync(root);
  chmodSync(root, 0o3777);
  const target = await mountSubPath({ root, subPath: 'a/b', target: join(folder, 'pod/0'), readOnly: false });
  assert.equal(statSync(join(root, 'a')).mode & 0o7777, 0o3777);
  assert.equal(statSync(target).mode & 0o7777, 0o3777);
});

test('mounted again for a new container, it shows what the volume has become', needsRoot, async () => {
  const root = join(folder, 'config');
  mkdirSync(root);
  const write = (text: string, version: string) =>
    writeAtomically(root, new Map([['key', { data: Buffer.from(text), mode: 0o644 }]]), version, undefined);
  const mount = () => mountSubPath({ root, subPath: 'key', target: join(folder, 'pod/1'), readOnly: false });
  await write('before', 'v1');
  const target = await mount();
  assert.equal(readFileSync(target, 'utf8'), 'before');
  await write('after', 'v2');
  const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8').split(target).length - 1;
  assert.equal(readFileSync(await mount(), 'utf8'), 'after');
  assert.equal(mounts(), 1);
  await mount();
  assert.equal(mounts(), 1);
});

test('a pipe in place of a folder is mounted without waiting for a writer', needsRoot, async () => {
  const root = join(folder, 'pipes');
  mkdirSync(root);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const target = await mountSubPath({
    root,
    subPath: 'pipe',
    target: join(folder, 'pod/2'),
    readOnly: false,
  });
  assert.ok(statSync(target).isFIFO());
});

test('a file of a volume is read, what a link outside leads to is not', async () => {
  const root = join(folder, 'files');
  mkdirSync(join(root, 'a'), { recursive: true });
  writeFileSync(join(root, 'a/b.env'), 'text');
  writeFileSync(join(folder, 'secret'), 'secret');
  symlinkSync(join(folder, 'secret'), join(root, 'out'));
  symlinkSync('a/b.env', join(root, 'in'));
  assert.equal(await readInside(root, 'a/b.env'), 'text');
  assert.equal(await readInside(root, 'in'), 'text');
  assert.equal(await readInside(root, 'nope/none'), undefined);
  assert.equal(await readInside(root, 'a'), undefined);
  await assert.rejects(readInside(root, 'out'), /not within volume path/);
});

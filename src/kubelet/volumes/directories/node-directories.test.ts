import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryProblem, handleDirectoryRequest } from './node-directories.ts';

async function inFolder(body: (root: string) => Promise<void>): Promise<void> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'scheduler-directories-')));
  try {
    await body(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** A volume with a file, a subdirectory, and links to a file and a directory outside that must stay. */
async function fill(root: string): Promise<string> {
  const volume = join(root, 'volumes', 'v');
  await mkdir(join(volume, 'sub', 'deep'), { recursive: true });
  await writeFile(join(volume, 'sub', 'deep', 'file'), 'x');
  await writeFile(join(volume, '.hidden'), 'x');
  await mkdir(join(root, 'outside'));
  await writeFile(join(root, 'outside', 'precious'), 'data');
  await symlink(join(root, 'outside'), join(volume, 'directory-link'));
  await symlink(join(root, 'outside', 'precious'), join(volume, 'file-link'));
  return volume;
}

const precious = (root: string) => readFile(join(root, 'outside', 'precious'), 'utf8');

test('a new directory is open to everybody, and making it again is no error', () =>
  inFolder(async (root) => {
    const path = join(root, 'a', 'b');
    await handleDirectoryRequest({ action: 'create', path });
    await handleDirectoryRequest({ action: 'create', path });
    assert.equal((await stat(path)).mode & 0o777, 0o777);
  }));

test('scrubbing empties a volume, keeps it, and touches nothing that its links lead to', () =>
  inFolder(async (root) => {
    const path = await fill(root);
    await handleDirectoryRequest({ action: 'scrub', path });
    assert.deepEqual(await readdir(path), []);
    assert.equal(await precious(root), 'data');
  }));

test('deleting removes a volume, twice without complaint, and touches nothing that its links lead to', () =>
  inFolder(async (root) => {
    const path = await fill(root);
    const folders = [join(root, 'volumes')];
    await handleDirectoryRequest({ action: 'delete', path }, folders);
    await handleDirectoryRequest({ action: 'delete', path }, folders);
    assert.deepEqual(await readdir(join(root, 'volumes')), []);
    assert.equal(await precious(root), 'data');
  }));

test('a volume that is itself a link, or lies behind one, is left alone', () =>
  inFolder(async (root) => {
    await fill(root);
    await symlink(join(root, 'outside'), join(root, 'volumes', 'link'));
    for (const path of [join(root, 'volumes', 'link'), join(root, 'volumes', 'link', 'sub')])
      await assert.rejects(handleDirectoryRequest({ action: 'scrub', path }), DirectoryProblem);
    // What is deleted in this case is the link.
    await handleDirectoryRequest({ action: 'delete', path: join(root, 'volumes', 'link') }, [
      join(root, 'volumes'),
    ]);
    assert.equal(await precious(root), 'data');
  }));

for (const path of ['relative', '/a/../b', '/', '/etc/', undefined, 7])
  test(`${JSON.stringify(path)} is refused`, () =>
    assert.rejects(handleDirectoryRequest({ action: 'scrub', path }), DirectoryProblem));

test('nothing outside of the folders for volumes is deleted', () =>
  assert.rejects(handleDirectoryRequest({ action: 'delete', path: '/etc/passwd' }), DirectoryProblem));

test("volumes are deleted where today's and older ones are", async () => {
  for (const folder of ['/var/lib/wherry-volumes', '/var/lib/wherry/volumes'])
    await handleDirectoryRequest({ action: 'delete', path: `${folder}/pvc-of-nobody` });
  await assert.rejects(
    handleDirectoryRequest({ action: 'delete', path: '/var/lib/wherry/clusters' }),
    DirectoryProblem,
  );
});

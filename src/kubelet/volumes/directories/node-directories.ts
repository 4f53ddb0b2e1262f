/**
 * Creates, removes and empties directories on the node's disk for volumes. Never follows a link: every step is taken
 * relative to an open directory, so that replacing a part of the path by a link leads nowhere.
 */
import { constants } from 'node:fs';
import { chmod, type FileHandle, lstat, mkdir, open, readdir, rmdir, unlink } from 'node:fs/promises';
import { posix } from 'node:path';

/** Of provisioned volumes, today's and older ones; hand-made ones are deleted below /tmp only, as upstream does. */
const deletableFolders = ['/var/lib/wherry-volumes', '/var/lib/wherry/volumes', '/tmp'];

/** The request is malformed, or the path is not allowed. */
export class DirectoryProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DirectoryProblem';
  }
}

/** @throws {DirectoryProblem} unless the body names an action and an allowed path */
export async function handleDirectoryRequest(
  body: unknown,
  folders: readonly string[] = deletableFolders,
): Promise<void> {
  const { action, path } = (body ?? {}) as { action?: unknown; path?: unknown };
  if (
    typeof path !== 'string' ||
    !path.startsWith('/') ||
    posix.normalize(path) !== path ||
    path.endsWith('/')
  )
    throw new DirectoryProblem(`${JSON.stringify(path)} is no plain absolute path`);
  switch (action) {
    case 'create':
      return createDirectory(path);
    case 'delete':
      if (!folders.some((folder) => path.startsWith(`${folder}/`)))
        throw new DirectoryProblem(`${path} is not below ${folders.join(' or ')}: it is not deleted`);
      return deleteDirectory(path);
    case 'scrub':
      return scrubDirectory(path);
    default:
      throw new DirectoryProblem(`unknown action ${JSON.stringify(action)}`);
  }
}

/** Open to every user, since a pod's containers run as any user. */
async function createDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777);
}

/** Removes the directory with its contents. A missing one is no error. */
async function deleteDirectory(path: string): Promise<void> {
  await using parent = await openDirectory(posix.dirname(path));
  if (!parent) return;
  const name = posix.basename(path);
  await removeEntry(parent.handle, name, await deviceOf(parent.handle));
}

/** Empties the directory and keeps it. */
async function scrubDirectory(path: string): Promise<void> {
  await using directory = await openDirectory(path);
  if (directory) await emptyDirectory(directory.handle, await deviceOf(directory.handle));
}

interface OpenDirectory extends AsyncDisposable {
  handle: FileHandle;
}

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Opens component by component; undefined when the directory does not exist. @throws when a component is a link */
async function openDirectory(path: string): Promise<OpenDirectory | undefined> {
  let handle = await open('/', directoryFlags);
  for (const name of path.split('/').filter(Boolean)) {
    const next = await openEntry(handle, name).finally(() => handle.close());
    if (!next) return undefined;
    handle = next;
  }
  return { handle, [Symbol.asyncDispose]: () => handle.close() };
}

/** A subdirectory, if it is one. */
async function openEntry(parent: FileHandle, name: string): Promise<FileHandle | undefined> {
  try {
    return await open(within(parent, name), directoryFlags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP' || code === 'ENOTDIR')
      throw new DirectoryProblem(`${name} is no directory, or a link to one`);
    throw error;
  }
}

/** The kernel resolves this by the open directory, wherever it may have been moved. */
function within(parent: FileHandle, name: string): string {
  return `/proc/self/fd/${parent.fd}/${name}`;
}

async function emptyDirectory(directory: FileHandle, device: number): Promise<void> {
  for (const name of await readdir(`/proc/self/fd/${directory.fd}`))
    await removeEntry(directory, name, device);
}

async function removeEntry(parent: FileHandle, name: string, device: number): Promise<void> {
  const path = within(parent, name);
  const stats = await lstat(path).catch(absentAsUndefined);
  if (!stats) return;
  if (!stats.isDirectory()) {
    await unlink(path).catch(absentAsUndefined);
    return;
  }
  const child = await openEntry(parent, name);
  if (!child) return;
  try {
    // Something else is mounted there.
    if ((await deviceOf(child)) !== device) throw new DirectoryProblem(`${name} is a mount point`);
    await emptyDirectory(child, device);
  } finally {
    await child.close();
  }
  await rmdir(path).catch(absentAsUndefined);
}

async function deviceOf(directory: FileHandle): Promise<number> {
  return (await directory.stat()).dev;
}

function absentAsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

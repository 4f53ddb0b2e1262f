/**
 * Changes the group of a volume to the pod's (fsGroup), as upstream does: files group-readable and -writable, folders
 * setgid.
 */
import type { Stats } from 'node:fs';
import { chmod, lchown, lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';

const fileBits = 0o660;
const folderBits = 0o2770;

/**
 * `path` may be a link to the volume; for links within it, the link itself is changed, not its target. `done`: called for
 * each file.
 */
export async function giveToGroup(
  path: string,
  gid: number,
  policy: 'Always' | 'OnRootMismatch' | undefined,
  done: () => void = () => undefined,
): Promise<void> {
  const root = await realpath(path);
  if (policy === 'OnRootMismatch') {
    const stats = await lstat(root);
    if (stats.gid === gid && (stats.mode & folderBits) === folderBits) return;
  }
  await give(root, gid, done);
}

/** A folder comes after what is in it: by the root it is told that nothing is left to do, also after an interruption. */
async function give(path: string, gid: number, done: () => void): Promise<void> {
  const stats = await lstat(path);
  if (stats.isDirectory()) for (const name of await readdir(path)) await give(join(path, name), gid, done);
  await giveOne(path, stats, gid);
  done();
}

async function giveOne(path: string, stats: Stats, gid: number): Promise<void> {
  // Never through a link: a container that has the volume already could put one in place of a file just now.
  if (stats.gid !== gid) await lchown(path, stats.uid, gid);
  if (stats.isSymbolicLink()) return;
  const bits = stats.isDirectory() ? folderBits : fileBits;
  if ((stats.mode & bits) !== bits) await chmod(path, (stats.mode & 0o7777) | bits);
}

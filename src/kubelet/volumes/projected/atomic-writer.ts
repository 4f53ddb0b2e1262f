/**
 * Writes a set of files so that a reader sees either all of the old or all of the new ones: the files are in a separate
 * folder, `..data` points to it, and every file is reached through that link. Changing the set is one rename.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ifMissing } from '../../../base/system/if-missing.ts';

export interface PayloadFile {
  data: Uint8Array;
  mode: number;
  /** The owner, if it is not root. */
  uid?: number;
}

/** By path below the volume. */
export type Payload = ReadonlyMap<string, PayloadFile>;

const dataLink = '..data';

/** True when anything changed. `version`: a name that no earlier call has used. */
export async function writeAtomically(
  root: string,
  payload: Payload,
  version: string,
  gid: number | undefined,
): Promise<boolean> {
  await mkdir(root, { recursive: true, mode: 0o755 });
  const current = await readlink(join(root, dataLink)).catch(ifMissing(undefined));
  if (current && (await holds(join(root, current), payload))) return false;
  const folder = `..${version}`;
  const target = join(root, folder);
  await mkdir(target, { mode: 0o755 });
  try {
    for (const [path, file] of payload) await writeOne(target, path, file, gid);
    if (gid !== undefined) await giveFolders(target, gid);
  } catch (error) {
    // Retries go on even on a full disk: remains of failed attempts would fill it further.
    await rm(target, { recursive: true, force: true });
    throw error;
  }
  // The links that users see, for new names.
  for (const name of topNames(payload)) {
    const link = join(root, name);
    if ((await lstat(link).catch(ifMissing(undefined))) === undefined)
      await symlink(join(dataLink, name), link);
  }
  const temporary = join(root, '..data_tmp');
  await rm(temporary, { force: true });
  await symlink(folder, temporary);
  await rename(temporary, join(root, dataLink));
  await removeStale(root, payload, folder);
  if (gid !== undefined) await giveFolder(root, gid);
  return true;
}

async function writeOne(
  target: string,
  path: string,
  { data, mode, uid }: PayloadFile,
  gid: number | undefined,
): Promise<void> {
  const full = join(target, path);
  await mkdir(dirname(full), { recursive: true, mode: 0o755 });
  await writeFile(full, data);
  if (uid !== undefined || gid !== undefined) await chown(full, uid ?? 0, gid ?? 0);
  // Members of the group may read, as upstream grants it for volumes that it writes.
  await chmod(full, gid === undefined ? mode : mode | 0o440);
}

/** Its members may read and enter it, and what is made in it is theirs. */
async function giveFolder(folder: string, gid: number): Promise<void> {
  await chown(folder, -1, gid);
  const { mode } = await stat(folder);
  await chmod(folder, (mode & 0o7777) | 0o2550);
}

async function giveFolders(folder: string, gid: number): Promise<void> {
  await giveFolder(folder, gid);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await giveFolders(join(folder, entry.name), gid);
}

async function holds(folder: string, payload: Payload): Promise<boolean> {
  const present = await readdir(folder, { recursive: true, withFileTypes: true }).catch(ifMissing(undefined));
  if (!present || present.filter((entry) => entry.isFile()).length !== payload.size) return false;
  for (const [path, { data }] of payload) {
    const found = await readFile(join(folder, path)).catch(ifMissing(undefined));
    if (!found || Buffer.compare(found, data) !== 0) return false;
  }
  return true;
}

async function removeStale(root: string, payload: Payload, folder: string): Promise<void> {
  const names = new Set(topNames(payload));
  for (const name of await readdir(root)) {
    if (name === dataLink || name === folder || names.has(name)) continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
}

function topNames(payload: Payload): string[] {
  return [...new Set([...payload.keys()].map((path) => path.split('/')[0]!))];
}

/** hostPath volumes: what their type requires of the path. */

import type { Stats } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { ifMissing } from '../../../base/system/if-missing.ts';

/** @throws Error in upstream's words */
export async function prepareHostPath(path: string, type: string): Promise<void> {
  const found = await stat(path).catch(ifMissing(undefined));
  const fail = (what: string): never => {
    throw new Error(`hostPath type check failed: ${path} is not ${what}`);
  };
  const checks: Record<string, readonly [what: string, holds: (stats: Stats) => boolean]> = {
    Directory: ['a directory', (stats) => stats.isDirectory()],
    DirectoryOrCreate: ['a directory', (stats) => stats.isDirectory()],
    File: ['a file', (stats) => stats.isFile()],
    FileOrCreate: ['a file', (stats) => stats.isFile()],
    Socket: ['a socket file', (stats) => stats.isSocket()],
    CharDevice: ['a character device', (stats) => stats.isCharacterDevice()],
    BlockDevice: ['a block device', (stats) => stats.isBlockDevice()],
  };
  const check = checks[type];
  if (!check) {
    // Without a type nothing is required; the runtime creates a missing folder.
    if (type === '' && !found) await mkdir(path, { recursive: true, mode: 0o755 });
    return;
  }
  if (!found && type === 'DirectoryOrCreate') {
    await mkdir(path, { recursive: true, mode: 0o755 });
    return;
  }
  if (!found && type === 'FileOrCreate') {
    await createFile(path);
    return;
  }
  if (!found || !check[1](found)) fail(check[0]);
}

/** Its folder is not created: upstream's pods do not start without it. */
async function createFile(path: string): Promise<void> {
  const file = await open(path, 'a', 0o644).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT'
      ? new Error(`open ${path}: no such file or directory`, { cause: error })
      : error;
  });
  await file.close();
}

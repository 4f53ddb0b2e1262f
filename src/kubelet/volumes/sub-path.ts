/**
 * Paths below a volume that cannot lead out of it: every step is opened without following links, and what was opened is
 * bind-mounted, so that nobody can swap a step for a link in between.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { bindMount, isMounted } from '../linux/mounts.ts';

export interface SubPathMount {
  root: string;
  subPath: string;
  target: string;
  readOnly: boolean;
  /** Mode of folders that are made. */
  mode: number;
}

/** Gives the target. @throws Error */
export async function mountSubPath({ root, subPath, target, readOnly, mode }: SubPathMount): Promise<string> {
  if (await isMounted(target)) return target;
  const volume = await realpath(root);
  const inside = await resolveInside(volume, subPath);
  const opened = await openInside(volume, inside, mode);
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    if ((await opened.stat()).isDirectory()) await mkdir(target, { recursive: true, mode: 0o750 });
    else await writeFile(target, '', { flag: 'a', mode: 0o640 });
    await bindMount(`/proc/${process.pid}/fd/${opened.fd}`, target, readOnly);
  } finally {
    await opened.close();
  }
  return target;
}

/** Links within the volume (of `..data`) are followed once; what they lead to must be inside. */
async function resolveInside(volume: string, subPath: string): Promise<string[]> {
  const wanted = join(volume, subPath);
  const found = await realpath(wanted).catch(() => undefined);
  const path = relative(volume, found ?? wanted);
  if (path === '..' || path.startsWith('../'))
    throw new Error(`subpath ${JSON.stringify(subPath)} not within volume path`);
  return path === '' ? [] : path.split('/');
}

async function openInside(volume: string, steps: readonly string[], mode: number): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY } = constants;
  let current = await open(volume, O_RDONLY | O_DIRECTORY);
  for (const [index, step] of steps.entries()) {
    const path = `/proc/self/fd/${current.fd}/${step}`;
    try {
      if ((await lstat(path).catch(() => undefined)) === undefined) await mkdir(path, { mode });
      const isLast = index === steps.length - 1;
      const next = await open(path, O_RDONLY | O_NOFOLLOW | (isLast ? 0 : O_DIRECTORY));
      await current.close();
      current = next;
    } catch (error) {
      await current.close().catch(() => undefined);
      throw error;
    }
  }
  return current;
}

/**
 * Paths below a volume that cannot lead out of it: every step is opened without following links, and the result is
 * bind-mounted, so that a step cannot be replaced by a link in between.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { ifMissing } from '../../../base/system/if-missing.ts';
import { bindMount, isMounted, unmountBelow } from '../../linux/mounts.ts';

export interface SubPathMount {
  root: string;
  subPath: string;
  target: string;
  readOnly: boolean;
}

/** Permissions including the special bits: created folders get the volume's. */
const modeBits = 0o7777;

/**
 * Returns the target. An existing mount is left alone as long as it shows what the path now means: a new container sees
 * the present content of a ConfigMap. @throws Error
 */
export async function mountSubPath({ root, subPath, target, readOnly }: SubPathMount): Promise<string> {
  const volume = await realpath(root);
  const inside = await resolveInside(volume, subPath);
  const opened = await openInside(volume, inside);
  try {
    if (await isMounted(target)) {
      if (isSameFile(await opened.stat(), await stat(target).catch(ifMissing(undefined)))) return target;
      await unmountBelow(target);
    }
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    if ((await opened.stat()).isDirectory()) await mkdir(target, { recursive: true, mode: 0o750 });
    else await writeFile(target, '', { flag: 'a', mode: 0o640 });
    await bindMount(`/proc/${process.pid}/fd/${opened.fd}`, target, { readOnly });
  } finally {
    await opened.close();
  }
  return target;
}

/** For files that are read rather than mounted. */
const readMaxBytes = 64 * 1024;

/** Undefined: there is no such file. @throws Error */
export async function readInside(root: string, path: string): Promise<string | undefined> {
  const volume = await realpath(root);
  const steps = await resolveInside(volume, path);
  if (!(await stat(join(volume, ...steps)).catch(ifMissing(undefined)))?.isFile()) return undefined;
  const opened = await openInside(volume, steps);
  try {
    const { size } = await opened.stat();
    if (size > readMaxBytes)
      throw new Error(`file ${JSON.stringify(path)} is larger than ${readMaxBytes} bytes`);
    return await opened.readFile('utf8');
  } finally {
    await opened.close();
  }
}

/** Links within the volume (of `..data`) are followed once; their target must be inside. */
async function resolveInside(volume: string, subPath: string): Promise<string[]> {
  const wanted = join(volume, subPath);
  const found = await realpath(wanted).catch(ifMissing(undefined));
  const path = relative(volume, found ?? wanted);
  if (path === '..' || path.startsWith('../'))
    throw new Error(`subpath ${JSON.stringify(subPath)} not within volume path`);
  return path === '' ? [] : path.split('/');
}

function isSameFile(one: Stats, other: Stats | undefined): boolean {
  return one.dev === other?.dev && one.ino === other.ino;
}

async function openInside(volume: string, steps: readonly string[]): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;
  let current = await open(volume, O_RDONLY | O_DIRECTORY);
  const mode = (await current.stat()).mode & modeBits;
  for (const [index, step] of steps.entries()) {
    const path = `/proc/self/fd/${current.fd}/${step}`;
    try {
      const isNew = (await lstat(path).catch(ifMissing(undefined))) === undefined;
      if (isNew) await mkdir(path, { mode });
      const isLast = index === steps.length - 1;
      // Opening a pipe that a container has created would wait for a writer, and block one of few threads.
      const next = await open(path, O_RDONLY | O_NOFOLLOW | (isLast ? O_NONBLOCK : O_DIRECTORY));
      // Independent of the process's umask.
      if (isNew) await next.chmod(mode);
      await current.close();
      current = next;
    } catch (error) {
      await current.close().catch(() => undefined);
      throw error;
    }
  }
  return current;
}

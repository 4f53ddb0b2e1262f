/** Root file systems for images, put together from programs of this machine. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, run } from '../../base/system/command.ts';
import { Failure } from '../failure.ts';
import type { TarEntry } from './tar.ts';

/** A program, at `target` in the image, with the libraries that it loads. */
export async function programEntries(file: string, target: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [{ path: target, mode: 0o755, content: readFileSync(file) }];
  for (const library of await sharedLibraries(file))
    entries.push({ path: library.slice(1), mode: 0o755, content: readFileSync(library) });
  return entries;
}

/** busybox under the names of all its applets, with the folders and accounts that programs expect. */
export async function busyboxEntries(): Promise<TarEntry[]> {
  const applets = (await run('busybox', ['--list']))
    .split('\n')
    .filter((name) => name !== '' && name !== 'busybox');
  return [
    ...['tmp/', 'var/tmp/'].map((path) => ({ path, mode: 0o1777 })),
    ...['root/', 'home/', 'etc/', 'var/', 'usr/', 'sbin/'].map((path) => ({ path, mode: 0o755 })),
    { path: 'etc/passwd', mode: 0o644, content: Buffer.from(accounts) },
    { path: 'etc/group', mode: 0o644, content: Buffer.from(groups) },
    ...(await programEntries(await findProgram('busybox'), 'bin/busybox')),
    ...applets.map((name) => ({ path: `bin/${name}`, mode: 0o777, symlink: '/bin/busybox' })),
  ];
}

/** The Node that runs this very program. */
export async function nodeEntries(): Promise<TarEntry[]> {
  return await programEntries(process.execPath, 'usr/local/bin/node');
}

/** Everything below a folder: files, folders and symbolic links, with their permission bits. */
export function folderEntries(folder: string, below = ''): TarEntry[] {
  const names = readdirSync(join(folder, below)).sort();
  return names.flatMap((name): TarEntry[] => {
    const path = below === '' ? name : `${below}/${name}`;
    const full = join(folder, path);
    const facts = lstatSync(full);
    const owned = { mode: facts.mode & 0o7777, userId: facts.uid, groupId: facts.gid };
    if (facts.isSymbolicLink()) return [{ ...owned, path, symlink: readlinkSync(full) }];
    if (facts.isDirectory()) return [{ ...owned, path: `${path}/` }, ...folderEntries(folder, path)];
    if (facts.isFile()) return [{ ...owned, path, content: readFileSync(full) }];
    throw new Failure(`${full} is neither file, folder nor symbolic link`, {
      advice: 'an image made from a folder holds no devices, pipes or sockets: remove it',
    });
  });
}

const accounts = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const groups = `root:x:0:
daemon:x:1:
nogroup:x:65534:
`;

/** The libraries of a program, by their paths; none when it is linked statically. */
async function sharedLibraries(file: string): Promise<string[]> {
  let output: string;
  try {
    output = await run('ldd', [file]);
  } catch (error) {
    if (error instanceof CommandError && /not a dynamic executable/.test(error.stderr)) return [];
    throw error;
  }
  return [...output.matchAll(/(?:=>\s+|^\s+)(\/\S+)\s+\(0x/gm)].map((match) => match[1]!);
}

async function findProgram(name: string): Promise<string> {
  return (await run('/bin/sh', ['-c', `command -v ${name}`])).trim();
}

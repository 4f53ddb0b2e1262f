/** The mounts of this process's namespace. */
import { mkdir, readFile } from 'node:fs/promises';
import { CommandError, run } from '../../base/system/command.ts';

/** Mount points below `folder`, the deepest and newest first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((point) =>
      point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
  return points.reverse();
}

export async function isMounted(point: string): Promise<boolean> {
  return (await mountsBelow(point)).includes(point);
}

/** Keeps the content out of swap as well, where the kernel supports that (from 6.4 on). */
export async function mountTmpfs(point: string, options: string): Promise<void> {
  const mountWith = (all: string) => run('mount', ['-t', 'tmpfs', '-o', all, 'tmpfs', point]);
  try {
    await mountWith(`${options},noswap`);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    await mountWith(options);
  }
}

export async function bindMount(
  source: string,
  target: string,
  { readOnly }: { readOnly: boolean },
): Promise<void> {
  await run('mount', ['--bind', source, target]);
  if (readOnly) await run('mount', ['-o', 'remount,bind,ro', target]);
}

export interface FileSystemMount {
  source: string;
  target: string;
  fsType: string;
  options: readonly string[];
}

/** Shows a folder at another place with options of its own. @throws Error as {@link mountFileSystem} does */
export async function mountFolder({
  source,
  target,
  options,
}: Omit<FileSystemMount, 'fsType'>): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o750 });
  if (await isMounted(target)) return;
  await mount(['-o', 'bind', source, target]);
  try {
    // The options of a bind mount hold only from when it is mounted again.
    await mount(['-o', ['bind', 'remount', ...options].join(','), source, target]);
  } catch (error) {
    await unmountBelow(target);
    throw error;
  }
}

/** @throws Error in upstream's words: the command, its arguments and its output */
export async function mountFileSystem({ source, target, fsType, options }: FileSystemMount): Promise<void> {
  await mount(['-t', fsType, ...(options.length > 0 ? ['-o', options.join(',')] : []), source, target]);
}

async function mount(args: readonly string[]): Promise<void> {
  try {
    await run('mount', args);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const why = typeof error.code === 'number' ? `exit status ${error.code}` : error.code;
    throw new Error(
      `mount failed: ${why}\nMounting command: mount\nMounting arguments: ${args.join(' ')}\nOutput: ${error.stderr.trim()}`,
      { cause: error },
    );
  }
}

/** Unmounts everything below a folder; busy mounts are detached lazily. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const point of await mountsBelow(folder)) await run('umount', ['-l', point]);
}

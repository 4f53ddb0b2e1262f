/** The mounts of this process's namespace. */
import { readFile } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

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

export async function mountTmpfs(point: string, options: string): Promise<void> {
  await runCommand('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', point]);
}

export async function bindMount(source: string, target: string, readOnly: boolean): Promise<void> {
  await runCommand('mount', ['--bind', source, target]);
  if (readOnly) await runCommand('mount', ['-o', 'remount,bind,ro', target]);
}

/** Unmounts everything below a folder; what is still in use goes when it is let go. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const point of await mountsBelow(folder)) await runCommand('umount', ['-l', point]);
}

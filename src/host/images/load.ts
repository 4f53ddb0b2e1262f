/** Images of a node's containerd: loading archives, listing, removing. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DataFolder } from '../data-folder.ts';
import { type NodeNamespace, runInNode } from '../node/node-namespace.ts';
import { fullImageName, imageArchitecture, writeImageArchive } from './archive.ts';
import { pauseProgram } from './pause.ts';

/** containerd's namespace (in its own sense of the word) for pods. */
const ctr = ['ctr', '--namespace', 'k8s.io', 'images'];
const importTimeoutMs = 1_800_000;
const pullTimeoutMs = 1_800_000;

/** @returns the full names of the images that the archive brought */
export async function loadImageArchive(namespace: NodeNamespace, file: string): Promise<string[]> {
  const output = await runInNode(namespace, [...ctr, 'import', '-'], {
    inputFile: file,
    timeoutMs: importTimeoutMs,
  });
  const names = [...output.matchAll(/^unpacking (\S+)/gm)].map((match) => match[1]!);
  for (const name of names) await keepUnderFullName(namespace, name);
  return [...new Set(names.map(fullImageName))];
}

/** An archive in the OCI layout may name its image in short, as skopeo does; pods ask for images by their full names. */
async function keepUnderFullName(namespace: NodeNamespace, name: string): Promise<void> {
  const fullName = fullImageName(name);
  if (fullName === name) return;
  await runInNode(namespace, [...ctr, 'tag', '--force', name, fullName]);
  await removeImage(namespace, name);
}

/** The digest of the manifest behind each name. */
export async function imageDigests(namespace: NodeNamespace): Promise<Map<string, string>> {
  const lines = (await runInNode(namespace, [...ctr, 'list'])).split('\n').slice(1);
  const columns = lines.map((line) => line.split(/\s+/)).filter((words) => words.length > 2);
  return new Map(columns.map(([name, , digest]) => [name!, digest!]));
}

export async function listImageNames(namespace: NodeNamespace): Promise<string[]> {
  return (await runInNode(namespace, [...ctr, 'list', '-q'])).split('\n').filter((name) => name !== '');
}

/** `registries`: how the node reaches them, in the format of containerd. */
export async function pullImage(namespace: NodeNamespace, name: string, registries: string): Promise<void> {
  await runInNode(namespace, [...ctr, 'pull', '--hosts-dir', registries, name], { timeoutMs: pullTimeoutMs });
}

export async function removeImage(namespace: NodeNamespace, name: string): Promise<void> {
  await runInNode(namespace, [...ctr, 'remove', '--sync', name]);
}

/** The archive of the image that holds a pod's namespaces; made once. */
export function ensurePauseArchive(data: DataFolder, name: string): string {
  const file = join(data.images, `pause-${imageArchitecture()}.tar`);
  if (!existsSync(file)) {
    const program = pauseProgram(imageArchitecture());
    writeImageArchive(file, {
      names: [name],
      config: { Entrypoint: ['/pause'], Env: ['PATH=/'] },
      files: [{ path: 'pause', mode: 0o755, content: program }],
    });
  }
  return file;
}

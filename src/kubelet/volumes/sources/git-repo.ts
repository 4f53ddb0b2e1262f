/**
 * gitRepo volumes: a repository cloned once, with the node's git. Deprecated, but books and their manifests use them.
 */
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { GitRepoVolumeSource } from '../../../api/types/core-v1.gen.ts';
import { CommandError, run } from '../../../base/system/command.ts';
import { makeOnce } from '../directories/make-once.ts';
import { giveToGroup } from '../directories/ownership.ts';

const cloneLimitMs = 5 * 60_000;

/**
 * No hook of a repository runs on the node, no repository is read from the node's own disk, and none is produced by a
 * command.
 */
const safety = [
  'core.hooksPath=/dev/null',
  'protocol.allow=never',
  ...['git', 'http', 'https', 'ssh'].map((protocol) => `protocol.${protocol}.allow=always`),
].flatMap((setting) => ['-c', setting]);

/** Clones into `folder`, for the members of the group `fsGroup` if there is one. An existing clone stays as it is. */
export function makeGitRepo(
  folder: string,
  source: GitRepoVolumeSource,
  fsGroup: number | undefined,
): Promise<void> {
  return makeOnce(folder, async (beginning) => {
    await chmod(beginning, 0o777);
    await cloneGitRepo(beginning, source);
    if (fsGroup !== undefined) await giveToGroup(beginning, fsGroup, undefined);
  });
}

/**
 * Clones into `folder`, which is empty. `directory` names the folder of the clone; `.` is `folder` itself.
 * @throws Error with git's output, or when the node has no git
 */
export async function cloneGitRepo(
  folder: string,
  { repository, revision, directory }: GitRepoVolumeSource,
): Promise<void> {
  for (const text of [repository, revision, directory]) {
    if (text?.startsWith('-')) throw new Error(`${JSON.stringify(text)} is no name that git is given`);
  }
  await git(folder, ['clone', '--', repository, ...(directory ? [directory] : [])]);
  if (!revision) return;
  const clone = directory ? join(folder, directory) : join(folder, (await readdir(folder))[0] ?? '');
  await git(clone, ['checkout', revision]);
  await git(clone, ['reset', '--hard']);
}

async function git(folder: string, args: readonly string[]): Promise<void> {
  try {
    await run('git', ['-C', folder, ...safety, ...args], { timeoutMs: cloneLimitMs });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const message = error.isMissingProgram
      ? 'the node has no git; install it (apt-get install git), and the pod starts'
      : `failed to exec 'git ${args.join(' ')}': ${error.stderr}: exit status ${error.code}`;
    throw new Error(message, { cause: error });
  }
}

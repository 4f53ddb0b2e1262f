/**
 * Image volumes: the files of an image, as a read-only view of containerd's snapshots mounted for the pod. containerd
 * itself mounts images only from 2.1 on, which no Debian release has.
 */
import { mkdir } from 'node:fs/promises';
import { CommandError, run } from '../../../base/system/command.ts';
import type { ImageSnapshot } from '../../cri/messages.ts';
import { isMounted } from '../../linux/mounts.ts';

/** containerd's namespace for pods, which has their images. */
const snapshots = ['--namespace', 'k8s.io', 'snapshots'];

/** Those that a node's containerd is configured with, one or the other (src/host/node/containerd.ts). */
const snapshotters = ['overlayfs', 'native'] as const;

export function imageViewName(podUid: string, volumeName: string): string {
  return `wherry-image-volume-${podUid}-${volumeName}`;
}

/** Does nothing where it is already mounted. Read-only for everyone. */
export async function mountImageFiles(
  { chainId, snapshotter }: ImageSnapshot,
  view: string,
  folder: string,
): Promise<void> {
  if (await isMounted(folder)) return;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const ctr = (...args: string[]) => run('ctr', [...snapshots, '--snapshotter', snapshotter, ...args]);
  // One left by an agent that was killed serves as well.
  await ctr('view', view, chainId).catch(unlessSaid('already exists'));
  // Otherwise containerd would collect it as garbage, and the layers below it with the image.
  await ctr('label', view, `containerd.io/gc.root=${view}`);
  const [mount, ...args] = (await ctr('mounts', folder, view)).trim().split(/\s+/);
  if (mount !== 'mount') throw new Error(`containerd names no command that mounts ${view}`);
  await run('mount', args);
}

/** Lets containerd remove the image once it is unused, whichever of its snapshotters has the view. */
export async function removeImageView(view: string): Promise<void> {
  for (const snapshotter of snapshotters)
    await run('ctr', [...snapshots, '--snapshotter', snapshotter, 'remove', view]).catch(
      unlessSaid('not found'),
    );
}

function unlessSaid(words: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof CommandError) || !error.stderr.includes(words)) throw error;
  };
}

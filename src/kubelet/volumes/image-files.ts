/**
 * Image volumes: the files of an image, as a read-only view of containerd's snapshots that is mounted for the pod. By
 * itself containerd mounts images only from 2.1 on, which no Debian release has.
 */
import { mkdir } from 'node:fs/promises';
import { CommandError, run } from '../../base/command.ts';
import type { ImageSnapshot } from '../cri/messages.ts';
import { isMounted } from '../linux/mounts.ts';

/** containerd's namespace of pods, which has their images. */
const snapshots = ['--namespace', 'k8s.io', 'snapshots'];

/** Those that a node's containerd is configured with, one or the other (src/host/containerd.ts). */
const snapshotters = ['overlayfs', 'native'] as const;

export function imageViewName(podUid: string, volumeName: string): string {
  return `wherry-image-volume-${podUid}-${volumeName}`;
}

/** Nothing is done where it is mounted. Nobody may write to it. */
export async function mountImageFiles(
  { chainId, snapshotter }: ImageSnapshot,
  view: string,
  folder: string,
): Promise<void> {
  if (await isMounted(folder)) return;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const ctr = (...args: string[]) => run('ctr', [...snapshots, '--snapshotter', snapshotter, ...args]);
  // One that an agent left when it was killed is as good.
  await ctr('view', view, chainId).catch(unlessSaid('already exists'));
  // Else containerd takes it for garbage, and the layers below it with the image.
  await ctr('label', view, `containerd.io/gc.root=${view}`);
  const [mount, ...args] = (await ctr('mounts', folder, view)).trim().split(/\s+/);
  if (mount !== 'mount') throw new Error(`containerd names no command that mounts ${view}`);
  await run('mount', args);
}

/** Lets containerd take the image away once nobody else uses it; which of its snapshotters has the view is not asked. */
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

/** A pod's usage of the node's disk: its emptyDirs, and the writable layers and logs of its containers. */
import { dirname, join } from 'node:path';
import type { Pod } from '../../api/resources.gen.ts';
import type { ContainerStats } from '../cri/messages.ts';
import { type DiskUse, diskUseOf, noDiskUse, sumOf } from '../linux/usage/folder-use.ts';
import { labels, type ObservedPod } from './pod-observation.ts';

export interface PodDiskUse {
  /** By volume name; those in memory are not on the disk. */
  emptyDirs: ReadonlyMap<string, DiskUse>;
  /** By container name. */
  containers: ReadonlyMap<string, { rootfs: DiskUse; logs: DiskUse }>;
}

export interface DiskMeasurement {
  /** The kubelet's folder, where emptyDirs are. */
  rootDir: string;
  pod: Pod;
  observed: ObservedPod;
  /** For the pod's containers, as reported by the runtime. */
  stats: readonly ContainerStats[];
  /** The folders where running containers have written, by id: the runtime's figures are somewhat old. */
  writableLayers?: ReadonlyMap<string, string>;
}

export async function measurePodDisk({
  rootDir,
  pod,
  observed,
  stats,
  writableLayers,
}: DiskMeasurement): Promise<PodDiskUse> {
  const emptyDirs = new Map<string, DiskUse>();
  for (const { name, emptyDir } of pod.spec.volumes ?? [])
    if (emptyDir && !isInMemory(emptyDir))
      emptyDirs.set(name, await diskUseOf(emptyDirPath(rootDir, pod, name)));
  const containers = new Map<string, { rootfs: DiskUse; logs: DiskUse }>();
  for (const { attributes, writableLayer } of stats) {
    const folder = writableLayers?.get(attributes.id);
    const reported = {
      bytes: writableLayer?.usedBytes?.value ?? 0,
      inodes: writableLayer?.inodesUsed?.value ?? 0,
    };
    const rootfs = folder === undefined ? reported : await diskUseOf(folder);
    containers.set(attributes.labels[labels.containerName] ?? '', { rootfs, logs: noDiskUse });
  }
  for (const [name, logs] of await measureLogs(observed))
    containers.set(name, { rootfs: containers.get(name)?.rootfs ?? noDiskUse, logs });
  return { emptyDirs, containers };
}

/** By container name. */
export async function measureLogs(observed: ObservedPod): Promise<Map<string, DiskUse>> {
  // All attempts of a container write to one folder.
  const folders = new Map(
    observed.containers.flatMap(({ name, logPath }) => (logPath ? [[name, dirname(logPath)]] : [])),
  );
  const uses = new Map<string, DiskUse>();
  for (const [name, folder] of folders) uses.set(name, await diskUseOf(folder));
  return uses;
}

export function isInMemory({ medium = '' }: { medium?: string }): boolean {
  return medium === 'Memory' || medium.startsWith('HugePages');
}

function emptyDirPath(rootDir: string, pod: Pod, volumeName: string): string {
  return join(rootDir, 'pods', pod.metadata.uid, 'volumes', 'kubernetes.io~empty-dir', volumeName);
}

export function totalUse(use: PodDiskUse): DiskUse {
  const parts = [...use.containers.values()].flatMap(({ rootfs, logs }) => [rootfs, logs]);
  return sumOf([...use.emptyDirs.values(), ...parts]);
}

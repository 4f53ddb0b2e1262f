/** The disk usage of pods, for `/stats/summary`: logs, emptyDirs, and the total. */
import type { Kubelet } from '../../kubelet.ts';
import { type DiskUse, sumOf } from '../../linux/usage/folder-use.ts';
import { measurePodDisk } from '../../pod/pod-disk-use.ts';
import type { FsStats, PodSample, Summary } from './stats-summary.ts';

/** As upstream: folders with many files are not counted for every request. */
const keptMs = 60_000;

interface PodDisk {
  logs: ReadonlyMap<string, DiskUse>;
  emptyDirs: DiskUse;
}

export class DiskStats {
  readonly #kubelet: Kubelet;
  /** By pod uid. */
  readonly #kept = new Map<string, { atMs: number; disk: PodDisk }>();

  constructor(kubelet: Kubelet) {
    this.#kubelet = kubelet;
  }

  /** The samples with what their pods have on disk. */
  async complete({ node, pods }: Summary): Promise<PodSample[]> {
    const uids = new Set(pods.map(({ podRef }) => podRef.uid));
    for (const uid of this.#kept.keys()) if (!uids.has(uid)) this.#kept.delete(uid);
    const { fs, runtime } = node;
    if (!fs) return pods;
    return Promise.all(
      pods.map(async (pod) => {
        const disk = await this.#diskOf(pod.podRef.uid);
        return disk ? withDisk(pod, disk, { fs, imageFs: runtime?.imageFs ?? fs }) : pod;
      }),
    );
  }

  async #diskOf(uid: string): Promise<PodDisk | undefined> {
    const { clock, machine } = this.#kubelet.context;
    const worker = this.#kubelet.pods.find(uid);
    if (!worker || machine.rootDir === undefined) return undefined;
    const kept = this.#kept.get(uid);
    if (kept && clock.monotonic() - kept.atMs < keptMs) return kept.disk;
    const { pod, observed } = worker;
    const use = await measurePodDisk({ rootDir: machine.rootDir, pod, observed, stats: [] });
    const disk = {
      logs: new Map([...use.containers].map(([name, { logs }]) => [name, logs])),
      emptyDirs: sumOf([...use.emptyDirs.values()]),
    };
    this.#kept.set(uid, { atMs: clock.monotonic(), disk });
    return disk;
  }
}

/** Containers write to the images' file system; their logs and emptyDirs are on the node's. */
export function withDisk(
  pod: PodSample,
  { logs, emptyDirs }: PodDisk,
  { fs, imageFs }: { fs: FsStats; imageFs: FsStats },
): PodSample {
  const { time } = pod.memory;
  const parts = [emptyDirs];
  const containers = pod.containers.map((container) => {
    const written = {
      bytes: container.rootfs?.usedBytes ?? 0,
      inodes: container.rootfs?.inodesUsed ?? 0,
    };
    const own = logs.get(container.name) ?? { bytes: 0, inodes: 0 };
    parts.push(written, own);
    return { ...container, rootfs: partOf(imageFs, written, time), logs: partOf(fs, own, time) };
  });
  return { ...pod, containers, 'ephemeral-storage': partOf(fs, sumOf(parts), time) };
}

function partOf(fs: FsStats, { bytes, inodes }: DiskUse, time: string): FsStats {
  return { ...fs, time, usedBytes: bytes, inodesUsed: inodes };
}

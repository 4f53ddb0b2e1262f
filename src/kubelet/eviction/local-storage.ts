/** Limits on what pods write to the node's disk: of an emptyDir, of a container, of the whole pod. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { wholeValueOf } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';

const resource = 'ephemeral-storage';

/** Bytes on the disk. */
export interface PodDiskUse {
  /** By volume name. */
  emptyDirs: ReadonlyMap<string, number>;
  /** Writable layer and logs by container name. */
  containers: ReadonlyMap<string, number>;
}

export function hasStorageLimits(pod: Pod): boolean {
  return (
    (pod.spec.volumes ?? []).some(
      ({ emptyDir }) => emptyDir?.sizeLimit !== undefined && emptyDir.medium !== 'Memory',
    ) || pod.spec.containers.some((container) => container.resources?.limits?.[resource] !== undefined)
  );
}

/** Upstream's message about the first limit that is exceeded; undefined: all are kept. */
export function exceededLimit(pod: Pod, use: PodDiskUse): string | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    if (!emptyDir?.sizeLimit || emptyDir.medium === 'Memory') continue;
    if ((use.emptyDirs.get(name) ?? 0) > wholeValueOf(emptyDir.sizeLimit))
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir.sizeLimit}". `;
  }
  const limits = pod.spec.containers.map((container) => container.resources?.limits?.[resource]);
  const total = [...use.emptyDirs.values(), ...use.containers.values()].reduce(
    (sum, bytes) => sum + bytes,
    0,
  );
  if (limits.every((limit) => limit !== undefined)) {
    const limit = limits.reduce((sum, text) => sum + wholeValueOf(text!), 0);
    if (total > limit)
      return `Pod ephemeral local storage usage exceeds the total limit of containers ${limits.length === 1 ? limits[0] : limit}. `;
  }
  for (const [index, container] of pod.spec.containers.entries()) {
    const limit = limits[index];
    if (limit !== undefined && (use.containers.get(container.name) ?? 0) > wholeValueOf(limit))
      return `Container ${container.name} exceeded its local ephemeral storage limit "${limit}". `;
  }
  return undefined;
}

/** What a folder takes on disk. Files that vanish meanwhile count nothing. */
export async function diskUsage(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats) return 0;
  let bytes = stats.blocks * 512;
  if (!stats.isDirectory()) return bytes;
  for (const name of await readdir(path).catch(() => [])) bytes += await diskUsage(join(path, name));
  return bytes;
}

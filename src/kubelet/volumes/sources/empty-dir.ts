/** The folder of an emptyDir volume, on disk, in memory or in huge pages. */

import { chmod, mkdir } from 'node:fs/promises';
import { wholeValueOf } from '../../../api/quantities/quantity.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { leastOf } from '../../../base/least-of.ts';
import { isMounted, mountTmpfs } from '../../linux/mounts.ts';
import { podLimitsOf } from '../../resources/cgroup-resources.ts';
import type { NodeFacts } from '../../spec/field-paths.ts';
import { makeOnce } from '../directories/make-once.ts';
import { giveToGroup } from '../directories/ownership.ts';
import { isHugePages, mountHugePages } from './huge-pages.ts';

export interface EmptyDirRequest {
  pod: Pod;
  source: core.EmptyDirVolumeSource;
  folder: string;
  node: Pick<NodeFacts, 'allocatable'>;
}

/** An existing folder is left alone: its pod may have changed the permissions, for instance for a database's files. */
export async function makeEmptyDir({ pod, source, folder, node }: EmptyDirRequest): Promise<void> {
  const { fsGroup } = pod.spec.securityContext ?? {};
  if (isHugePages(source.medium ?? '')) {
    await mountHugePages(pod, source.medium!, folder);
    return;
  }
  if (source.medium === 'Memory') {
    await mkdir(folder, { recursive: true, mode: 0o777 });
    if (await isMounted(folder)) return;
    const sizeBytes = computeMemorySize(pod, source.sizeLimit, node);
    // As the kernel creates it: writable for all users, who can remove only their own files.
    const mode = fsGroup === undefined ? 'mode=1777' : `mode=3777,gid=${fsGroup}`;
    await mountTmpfs(folder, sizeBytes === undefined ? mode : `${mode},size=${sizeBytes}`);
    return;
  }
  await makeOnce(folder, async (beginning) => {
    await chmod(beginning, 0o777);
    if (fsGroup !== undefined) await giveToGroup(beginning, fsGroup, undefined);
  });
}

/**
 * The size of a volume in memory, in bytes: its limit, but never more than its pod or the node may use. A full one is
 * then reported as a full disk, and kills no container. Undefined: no limit is known.
 */
export function computeMemorySize(
  pod: Pod,
  sizeLimit: string | undefined,
  { allocatable }: Pick<NodeFacts, 'allocatable'>,
): number | undefined {
  const bounds = [
    wholeValueOf(allocatable.memory ?? '0'),
    podLimitsOf(pod).memoryBytes ?? 0,
    wholeValueOf(sizeLimit ?? '0'),
  ];
  return leastOf(...bounds.filter((bytes) => bytes > 0));
}

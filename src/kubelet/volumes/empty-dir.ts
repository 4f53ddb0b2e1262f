/** The folder of an emptyDir volume, on disk or in memory. */
import { chmod, mkdir } from 'node:fs/promises';
import { wholeValueOf } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { podLimitsOf } from '../cgroup-resources.ts';
import { isMounted, mountTmpfs } from '../linux/mounts.ts';
import type { NodeFacts } from '../spec/field-paths.ts';
import { makeOnce } from './make-once.ts';
import { giveToGroup } from './ownership.ts';

export interface EmptyDirRequest {
  pod: Pod;
  source: core.EmptyDirVolumeSource;
  folder: string;
  node: Pick<NodeFacts, 'allocatable'>;
}

/** Nothing is done to one that is there: its pod may have given it other permissions, for a database's files perhaps. */
export async function makeEmptyDir({ pod, source, folder, node }: EmptyDirRequest): Promise<void> {
  const { fsGroup } = pod.spec.securityContext ?? {};
  if (source.medium === 'Memory') {
    await mkdir(folder, { recursive: true, mode: 0o777 });
    if (await isMounted(folder)) return;
    const sizeBytes = computeMemorySize(pod, source.sizeLimit, node);
    // As the kernel makes it: for everybody, and nobody removes what is another's.
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
 * How much a volume in memory holds, in bytes: what it says, yet never more than its pod or the node may use. So a full
 * one is reported as a full disk, and ends no container. Undefined: nothing of that is known.
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
  const set = bounds.filter((bytes) => bytes > 0);
  return set.length > 0 ? Math.min(...set) : undefined;
}

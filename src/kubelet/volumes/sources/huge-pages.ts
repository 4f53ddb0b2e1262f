/** emptyDir volumes in huge pages: which page size one gets, and its mount. */
import { mkdir } from 'node:fs/promises';
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  tryParseQuantity,
} from '../../../api/quantities/quantity.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { isMounted, mountFileSystem } from '../../linux/mounts.ts';
import { giveToGroup } from '../directories/ownership.ts';

const anySize = 'HugePages';
const resourcePrefix = 'hugepages-';

export function isHugePages(medium: string): boolean {
  return medium.startsWith(anySize);
}

/** The folder is left alone once it is mounted. */
export async function mountHugePages(pod: Pod, medium: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o777 });
  if (await isMounted(folder)) return;
  const options = [`pagesize=${pageSizeOf(medium, pod)}`];
  await mountFileSystem({ source: 'nodev', target: folder, fsType: 'hugetlbfs', options });
  const { fsGroup } = pod.spec.securityContext ?? {};
  if (fsGroup !== undefined) await giveToGroup(folder, fsGroup, undefined);
}

/**
 * As a quantity. A medium that names a size has that one; otherwise the pod must ask for pages of one size only.
 * @throws Error in upstream's words, unless the pod asks for such pages
 */
export function pageSizeOf(medium: string, pod: Pod): string {
  const requested = [...requestedSizes(pod)];
  if (medium !== anySize) {
    const size = parseQuantity(medium.slice(anySize.length + 1));
    if (requested.some((other) => compareQuantities(other, size) === 0)) return formatQuantity(size);
  } else if (requested.length > 0) {
    if (requested.some((other) => compareQuantities(other, requested[0]!) !== 0))
      throw new Error(`medium: ${medium} can't be used if container requests multiple huge page sizes`);
    return formatQuantity(requested[0]!);
  }
  throw new Error(
    `medium ${medium}: hugePages storage requested, but there is no resource request for huge pages`,
  );
}

function* requestedSizes({ spec }: Pod) {
  const owners: { resources?: core.ResourceRequirements }[] = [
    spec,
    ...spec.containers,
    ...(spec.initContainers ?? []),
  ];
  for (const { resources } of owners)
    for (const name of Object.keys(resources?.requests ?? {})) {
      const size = name.startsWith(resourcePrefix) && tryParseQuantity(name.slice(resourcePrefix.length));
      if (size) yield size;
    }
}

/** Limits on what pods write to the node's disk: of an emptyDir, of a container, of the whole pod. Pure. */
import { computePodLimits, exactAmounts } from '../../api/quantities/pod-resources.ts';
import { formatQuantity, quantityValue, wholeValueOf } from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { isInMemory, type PodDiskUse, totalUse } from '../pod/pod-disk-use.ts';

const resource = 'ephemeral-storage';

export function hasStorageLimits(pod: Pod): boolean {
  return (
    (pod.spec.volumes ?? []).some(
      ({ emptyDir }) => emptyDir?.sizeLimit !== undefined && !isInMemory(emptyDir),
    ) || computePodLimits(pod, exactAmounts).has(resource)
  );
}

export interface ExceededLimit {
  /** As upstream's metrics name it. */
  signal: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';
  message: string;
}

/** The first limit that is exceeded, in upstream's words; undefined: none is. */
export function exceededLimit(pod: Pod, use: PodDiskUse): ExceededLimit | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    const limitBytes = wholeValueOf(emptyDir?.sizeLimit ?? '0');
    if (limitBytes > 0 && (use.emptyDirs.get(name)?.bytes ?? 0) > limitBytes)
      return {
        signal: 'emptydirfs.limit',
        message: `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir?.sizeLimit}". `,
      };
  }
  // Containers without a limit add nothing to the pod's limit, but their usage counts.
  const podLimit = computePodLimits(pod, exactAmounts).get(resource);
  if (podLimit && totalUse(use).bytes > quantityValue(podLimit))
    return {
      signal: 'ephemeralpodfs.limit',
      message: `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(podLimit)}. `,
    };
  for (const container of pod.spec.containers) {
    const limit = container.resources?.limits?.[resource] ?? '0';
    const own = use.containers.get(container.name);
    const limitBytes = wholeValueOf(limit);
    if (own && limitBytes > 0 && own.rootfs.bytes + own.logs.bytes > limitBytes)
      return {
        signal: 'ephemeralcontainerfs.limit',
        message: `Container ${container.name} exceeded its local ephemeral storage limit "${limit}". `,
      };
  }
  return undefined;
}

/** How a volume is to be used, in CSI's terms. Pure. */
import type * as core from '../../api/types/core-v1.gen.ts';
import type { AccessMode, VolumeCapability } from './messages.ts';

export interface CapabilityInput {
  accessMode: string;
  isBlock: boolean;
  fsType: string | undefined;
  mountFlags: readonly string[];
  /** Absent where the kubelet itself changes the volume's group to the pod's. */
  mountGroup: number | undefined;
  /** The driver distinguishes a single writer from a single node (SINGLE_NODE_MULTI_WRITER). */
  knowsSingleWriters: boolean;
}

export function volumeCapability(input: CapabilityInput): VolumeCapability {
  const accessMode = { mode: accessModeOf(input) };
  if (input.isBlock) return { block: {}, accessMode };
  const mount = {
    ...(input.fsType && { fsType: input.fsType }),
    ...(input.mountFlags.length > 0 && { mountFlags: [...input.mountFlags] }),
    ...(input.mountGroup !== undefined && { volumeMountGroup: String(input.mountGroup) }),
  };
  return { mount, accessMode };
}

function accessModeOf({ accessMode, knowsSingleWriters }: CapabilityInput): AccessMode {
  switch (accessMode) {
    case 'ReadOnlyMany':
      return 'MULTI_NODE_READER_ONLY';
    case 'ReadWriteMany':
      return 'MULTI_NODE_MULTI_WRITER';
    case 'ReadWriteOncePod':
      return knowsSingleWriters ? 'SINGLE_NODE_SINGLE_WRITER' : 'SINGLE_NODE_WRITER';
    default:
      return knowsSingleWriters ? 'SINGLE_NODE_MULTI_WRITER' : 'SINGLE_NODE_WRITER';
  }
}

/** Whether the kubelet changes the group of a driver's volumes to the pod's. */
export function isGivenToGroup(
  policy: string | undefined,
  volume: { fsType: string | undefined; accessModes: readonly string[]; readOnly: boolean },
): boolean {
  if (volume.readOnly) return false;
  if (policy === 'File') return true;
  if (policy === 'None') return false;
  return Boolean(volume.fsType) && volume.accessModes.some((mode) => /^ReadWriteOnce(Pod)?$/.test(mode));
}

/** What a driver with `podInfoOnMount` is told about the pod. */
export function podContext(
  pod: { metadata: { name: string; namespace?: string; uid: string }; spec: core.PodSpec },
  { isEphemeral }: { isEphemeral: boolean },
): Record<string, string> {
  const { name, namespace = '', uid } = pod.metadata;
  return {
    'csi.storage.k8s.io/pod.name': name,
    'csi.storage.k8s.io/pod.namespace': namespace,
    'csi.storage.k8s.io/pod.uid': uid,
    'csi.storage.k8s.io/serviceAccount.name': pod.spec.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': String(isEphemeral),
  };
}

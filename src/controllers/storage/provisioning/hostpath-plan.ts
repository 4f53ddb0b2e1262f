/** Whether a claim of the cluster's own classes gets a volume, which one, and where. Decides; never acts. */
import type { Draft } from '../../../api/meta.ts';
import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../api/resources.gen.ts';
import { isAllowedTopology, volumeAnnotations } from '../../../api/storage/volume-binding.ts';
import { hostnameLabel } from '../../../api/well-known.ts';
import { nodeCondition } from '../../nodes/node-state.ts';
import { ownProvisioners } from './provisioner-names.ts';

/**
 * Where the directories are on a node. Not below `/var/lib/wherry`: in a node of this machine that is the data folder of
 * all its clusters, where volumes would outlive the cluster.
 */
const volumesFolder = '/var/lib/wherry-volumes';

/** The claim asks for a volume, and asks this provisioner. */
export function isWaiting({ metadata, spec }: PersistentVolumeClaim): boolean {
  const { storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
  const provisioner =
    metadata.annotations?.[storageProvisioner] ?? metadata.annotations?.[betaStorageProvisioner];
  return !spec?.volumeName && !metadata.deletionTimestamp && ownProvisioners.has(provisioner ?? '');
}

/** Whether it is this provisioner's turn: for some classes it is the scheduler's first. */
export function isDue(claim: PersistentVolumeClaim, storageClass: StorageClass | undefined): boolean {
  if (!isWaiting(claim) || !storageClass || !ownProvisioners.has(storageClass.provisioner)) return false;
  return selectedNodeOf(claim) !== undefined || storageClass.volumeBindingMode !== 'WaitForFirstConsumer';
}

/** The node that the scheduler chose. */
export function selectedNodeOf({ metadata }: PersistentVolumeClaim): string | undefined {
  return metadata.annotations?.[volumeAnnotations.selectedNode] || undefined;
}

export type ProvisioningPlan =
  /** The node is gone: the scheduler is asked for another. */
  | { act: 'reschedule' }
  | { act: 'create'; node: Node; volume: HostPathVolume }
  | { act: 'fail'; why: string };

/** `node`: the selected one if it is there, or one that was picked. */
export function planProvisioning(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node | undefined,
): ProvisioningPlan {
  if (!node && selectedNodeOf(claim) !== undefined) return { act: 'reschedule' };
  if (!node) return { act: 'fail', why: 'no node is ready to hold the volume' };
  const why = whyImpossible(claim.spec, storageClass.provisioner);
  if (why) return { act: 'fail', why };
  return { act: 'create', node, volume: volumeFor(claim, storageClass, node) };
}

/** What a claim asks for that a new, empty directory is not. */
function whyImpossible(spec: PersistentVolumeClaim['spec'], provisioner: string): string | undefined {
  // A new volume has no labels that could match.
  if (spec?.selector) return 'claim.Spec.Selector is not supported';
  if (spec?.volumeMode === 'Block') return 'block volumes are not supported';
  // The claim is left to a populator of such sources, if there is one.
  if (spec?.dataSource || spec?.dataSourceRef)
    return `plugin "${provisioner}" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource`;
  return undefined;
}

type HostPathVolume = Draft<PersistentVolume> & { spec: { hostPath: { path: string } } };

/** The name is derived from the claim's uid, so that a crash between two steps never leads to a second volume. */
function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): HostPathVolume {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  return {
    metadata: {
      name: volumeName,
      annotations: { [volumeAnnotations.provisionedBy]: storageClass.provisioner },
    },
    spec: {
      capacity: { storage: claim.spec?.resources?.requests?.storage ?? '0' },
      accessModes: claim.spec?.accessModes ?? [],
      volumeMode: claim.spec?.volumeMode ?? 'Filesystem',
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      ...(storageClass.mountOptions && { mountOptions: storageClass.mountOptions }),
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid, resourceVersion },
      hostPath: {
        path: `${volumesFolder}/${volumeName}_${namespace}_${name}`,
        type: 'DirectoryOrCreate' as const,
      },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [{ key: hostnameLabel, operator: 'In' as const, values: [hostnameOf(node)] }],
            },
          ],
        },
      },
    },
  };
}

export function hostnameOf({ metadata }: Node): string {
  return metadata.labels?.[hostnameLabel] ?? metadata.name;
}

/** The nodes to which the volume's affinity ties it. */
export function hostnamesOf({ spec }: Pick<PersistentVolume, 'spec'>): readonly string[] {
  return spec?.nodeAffinity?.required?.nodeSelectorTerms?.[0]?.matchExpressions?.[0]?.values ?? [];
}

/** The nodes that may hold volumes of the class. */
export function allowedNodes(storageClass: StorageClass, nodes: readonly Node[]): Node[] {
  return nodes.filter(({ metadata }) => isAllowedTopology(storageClass, metadata.labels));
}

export function takesPods(node: Node): boolean {
  const { unschedulable, taints } = node.spec ?? {};
  const isReady = nodeCondition(node, 'Ready')?.status === 'True';
  return isReady && !unschedulable && !taints?.some(({ effect }) => effect === 'NoSchedule');
}

/** Claims in pods: from the claim to its volume, and the mount of that volume. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Node, PersistentVolume, PersistentVolumeClaim, type Pod } from '../../../api/resources.gen.ts';
import { compileNodeSelector } from '../../../api/selectors/node-selector.ts';
import { undefinedIfNotFound } from '../../../api/status.ts';
import type { Volume } from '../../../api/types/core-v1.gen.ts';
import { ifMissing } from '../../../base/system/if-missing.ts';
import type { Client } from '../../../client/client.ts';
import { mountDevice } from '../../linux/device-mount.ts';
import { mountFolder } from '../../linux/mounts.ts';
import { UnfitVolumeError, VolumeError } from '../pod-volumes.ts';
import { prepareHostPath } from '../sources/host-path.ts';
import { mountNfs } from '../sources/nfs.ts';
import { type VolumesUsed, volumesUsed } from '../used-volumes.ts';

export interface ClaimedVolume {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
}

/**
 * The claim and its bound volume, which may be used on this node and in the way that the pod uses it.
 * @throws VolumeError in upstream's words
 */
export async function findClaimedVolume(
  client: Client,
  pod: Pod,
  { name: volumeName, ephemeral }: Volume,
  claimName: string,
): Promise<ClaimedVolume> {
  const { namespace = '', name: podName, uid } = pod.metadata;
  const claimKey = `${namespace}/${claimName}`;
  const unfit = (why: string) => new UnfitVolumeError(volumeName, why);
  const unfitClaim = (why: string) => unfit(`error processing PVC ${claimKey}: ${why}`);
  const claim = await client
    .get(PersistentVolumeClaim, { namespace, name: claimName })
    .catch(undefinedIfNotFound);
  if (!claim)
    throw unfitClaim(`failed to fetch PVC from API server: persistentvolumeclaims "${claimName}" not found`);
  const notReady = whyUnusable(claim);
  if (notReady) throw unfitClaim(notReady);
  if (ephemeral && !claim.metadata.ownerReferences?.some((owner) => owner.uid === uid))
    throw unfit(`PVC ${claimKey} was not created for pod ${namespace}/${podName} (pod is not owner)`);
  const boundName = claim.spec!.volumeName!;
  const volume = await client.get(PersistentVolume, { name: boundName }).catch(undefinedIfNotFound);
  if (!volume)
    throw unfitClaim(
      `failed to fetch PV ${boundName} from API server: persistentvolumes "${boundName}" not found`,
    );
  const notOurs = whyNotBoundTo(claim, volume);
  if (notOurs) throw unfitClaim(notOurs);
  const misused = whyMisused(volumeName, volume, volumesUsed(pod));
  if (misused) throw unfit(misused);
  const required = volume.spec?.nodeAffinity?.required;
  if (required) {
    const node = await client.get(Node, { name: pod.spec.nodeName ?? '' });
    if (!compileNodeSelector(required)(node))
      throw new VolumeError(volumeName, 'no matching NodeSelectorTerms', {
        operation: 'NodeAffinity check',
        shownAs: boundName,
        isMapped: volume.spec?.volumeMode === 'Block',
      });
  }
  return { claim, volume };
}

const protection = 'kubernetes.io/pvc-protection';

function whyUnusable({ metadata, spec, status }: PersistentVolumeClaim): string | undefined {
  // A protected object that is being deleted goes only after the pods that use it.
  if (metadata.deletionTimestamp && !metadata.finalizers?.includes(protection)) return 'PVC is being deleted';
  if (status?.phase !== 'Bound') return 'PVC is not bound';
  return spec?.volumeName ? undefined : 'PVC has empty pvc.Spec.VolumeName';
}

function whyNotBoundTo(
  claim: PersistentVolumeClaim,
  { metadata, spec }: PersistentVolume,
): string | undefined {
  const { uid } = claim.metadata;
  if (!spec?.claimRef)
    return `found PV object ${metadata.name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`;
  return spec.claimRef.uid === uid
    ? undefined
    : `found PV object ${metadata.name} but its pv.Spec.ClaimRef.UID ${spec.claimRef.uid ?? ''} does not point to claim.UID ${uid}`;
}

/** `name`: within the pod. */
function whyMisused(name: string, { spec }: PersistentVolume, used: VolumesUsed): string | undefined {
  const { volumeMode = 'Filesystem' } = spec ?? {};
  if (used.mounted.has(name) && volumeMode !== 'Filesystem')
    return `volume ${name} has volumeMode ${volumeMode}, but is specified in volumeMounts`;
  if (used.mapped.has(name) && volumeMode !== 'Block')
    return `volume ${name} has volumeMode ${volumeMode}, but is specified in volumeDevices`;
  return undefined;
}

/**
 * Returns the path of the volume's contents. `name`: within the pod; `volumesDir`: of the pod.
 * @throws VolumeError that names the persistent volume
 */
export async function mountPersistent(
  volume: PersistentVolume,
  name: string,
  volumesDir: string,
): Promise<string> {
  const shownAs = volume.metadata.name;
  try {
    return await mountSource(volume, volumesDir);
  } catch (error) {
    const isMapped = volume.spec?.volumeMode === 'Block';
    const operation = operationOf(error, isMapped);
    throw new VolumeError(name, (error as Error).message, { shownAs, operation, isMapped, cause: error });
  }
}

/** The step that failed: upstream checks some things before it begins to mount. */
function operationOf(error: unknown, isMapped: boolean): string {
  if (error instanceof MountOptionsUnsupported) return 'MountOptionSupport check';
  if (error instanceof LocalPathUnfit)
    return `New${isMapped ? 'BlockVolumeMapper' : 'Mounter'} initialization`;
  return isMapped ? 'MapBlockVolume' : 'SetUp';
}

async function mountSource(volume: PersistentVolume, volumesDir: string): Promise<string> {
  const { metadata, spec } = volume;
  if (spec?.hostPath) {
    // Nothing is mounted that could heed them: who asks for `ro` must not get a volume that can be written to.
    if (spec.volumeMode !== 'Block' && spec.mountOptions?.length)
      throw new MountOptionsUnsupported('mount options are not supported for this volume type');
    await prepareHostPath(spec.hostPath.path, spec.hostPath.type ?? '');
    return spec.hostPath.path;
  }
  if (spec?.local) {
    const { path, fsType = '' } = spec.local;
    const found = await stat(path).catch(ifMissing(undefined));
    if (!found) throw new LocalPathUnfit(`path "${path}" does not exist`);
    if (spec.volumeMode === 'Block') {
      if (!found.isBlockDevice()) throw new Error(`path "${path}" is not a block device`);
      return path;
    }
    const target = localTarget(volume, volumesDir);
    const { mountOptions: options = [] } = spec;
    if (found.isBlockDevice()) await mountDevice({ device: path, target, fsType, options });
    else if (!found.isDirectory()) throw new LocalPathUnfit('only directory and block device are supported');
    else if (options.length === 0) return path;
    else await mountFolder({ source: path, target, options });
    return target;
  }
  if (spec?.nfs) {
    const target = join(volumesDir, 'kubernetes.io~nfs', metadata.name);
    await mountNfs(spec.nfs, target, spec.mountOptions);
    return target;
  }
  const kind = Object.keys(spec ?? {}).find((name) => knownSources.has(name));
  throw new Error(`no volume plugin matched for ${kind ?? 'the volume'}`);
}

/** Where the file system on a local device is mounted, or a folder that has mount options. */
export function localTarget({ metadata }: PersistentVolume, volumesDir: string): string {
  return join(volumesDir, 'kubernetes.io~local-volume', metadata.name);
}

/** An administrator enlarges such a volume; the node then grows the file system. */
export function isGrowing({ spec }: PersistentVolume): boolean {
  return spec?.local !== undefined && spec.volumeMode !== 'Block';
}

class LocalPathUnfit extends Error {}

class MountOptionsUnsupported extends Error {}

const knownSources = new Set([
  'iscsi',
  'fc',
  'cephfs',
  'rbd',
  'glusterfs',
  'awsElasticBlockStore',
  'gcePersistentDisk',
  'azureDisk',
  'azureFile',
  'flexVolume',
  'portworxVolume',
  'vsphereVolume',
  'cinder',
  'photonPersistentDisk',
  'quobyte',
  'scaleIO',
  'storageos',
  'flocker',
]);

/** Claims in pods: from the claim to its volume, and that volume's mount. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { compileNodeSelector } from '../../api/node-selector.ts';
import { Node, PersistentVolume, PersistentVolumeClaim, type Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { ifMissing } from '../../base/if-missing.ts';
import type { Client } from '../../client/client.ts';
import { mountDevice } from '../linux/device-mount.ts';
import { prepareHostPath } from './host-path.ts';
import { mountNfs } from './nfs.ts';
import { VolumeError } from './pod-volumes.ts';

export interface ClaimedVolume {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
}

/** The claim, and the volume that is bound to it and may be used on this node. @throws Error in upstream's words */
export async function findClaimedVolume(
  client: Client,
  pod: Pod,
  claimName: string,
  isEphemeral: boolean,
): Promise<ClaimedVolume> {
  const { namespace = '' } = pod.metadata;
  const claim = await orUndefined(client.get(PersistentVolumeClaim, { namespace, name: claimName }));
  if (!claim)
    throw new Error(
      `error getting PVC ${namespace}/${claimName}: persistentvolumeclaim "${claimName}" not found`,
    );
  if (isEphemeral && !claim.metadata.ownerReferences?.some(({ uid }) => uid === pod.metadata.uid))
    throw new Error(
      `PVC ${namespace}/${claimName} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName)
    throw new Error(`PVC ${namespace}/${claimName} is not bound`);
  const volume = await client.get(PersistentVolume, { name: volumeName });
  if (volume.spec?.claimRef?.uid !== claim.metadata.uid)
    throw new Error(`PVC ${namespace}/${claimName} has non-bound PV ${volumeName}`);
  const required = volume.spec.nodeAffinity?.required;
  if (required) {
    const node = await client.get(Node, { name: pod.spec.nodeName ?? '' });
    if (!compileNodeSelector(required)(node)) throw new Error('no matching NodeSelectorTerms');
  }
  return { claim, volume };
}

/**
 * Gives the path at which the volume's contents are. `name`: as the pod names it; `volumesDir`: of the pod.
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
    // Upstream looks at the path before it begins to mount.
    const operation = error instanceof LocalPathMissing ? 'NewMounter initialization' : 'SetUp';
    throw new VolumeError(name, (error as Error).message, { shownAs, operation, cause: error });
  }
}

async function mountSource({ metadata, spec }: PersistentVolume, volumesDir: string): Promise<string> {
  if (spec?.hostPath) {
    await prepareHostPath(spec.hostPath.path, spec.hostPath.type ?? '');
    return spec.hostPath.path;
  }
  if (spec?.local) {
    const { path, fsType = '' } = spec.local;
    const found = await stat(path).catch(ifMissing(undefined));
    if (!found) throw new LocalPathMissing(`path "${path}" does not exist`);
    if (!found.isBlockDevice() || spec.volumeMode === 'Block') return path;
    const target = join(volumesDir, 'kubernetes.io~local-volume', metadata.name);
    await mountDevice({ device: path, target, fsType, options: spec.mountOptions ?? [] });
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

class LocalPathMissing extends Error {}

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

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof StatusError && error.code === 404) return undefined;
    throw error;
  }
}

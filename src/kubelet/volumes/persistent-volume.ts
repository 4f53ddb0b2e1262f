/** Claims in pods: from the claim to its volume, and that volume's mount. */
import { mkdir, stat } from 'node:fs/promises';
import { compileNodeSelector } from '../../api/node-selector.ts';
import { Node, PersistentVolume, PersistentVolumeClaim, type Pod } from '../../api/resources.gen.ts';
import { StatusError } from '../../api/status.ts';
import { ifMissing } from '../../base/if-missing.ts';
import type { Client } from '../../client/client.ts';
import { mountDevice } from '../linux/device-mount.ts';
import { isMounted } from '../linux/mounts.ts';
import { runCommand } from '../linux/run-command.ts';
import { prepareHostPath } from './host-path.ts';

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

/** Gives the path at which the volume's contents are. */
export async function mountPersistent(
  volume: PersistentVolume,
  folder: string,
  nodeName: string,
): Promise<string> {
  const { spec } = volume;
  if (spec?.hostPath) {
    await prepareHostPath(spec.hostPath.path, spec.hostPath.type ?? '');
    return spec.hostPath.path;
  }
  if (spec?.local) {
    const { path, fsType = 'ext4' } = spec.local;
    const found = await stat(path).catch(ifMissing(undefined));
    if (!found) throw new Error(`path "${path}" does not exist on node ${nodeName}`);
    if (!found.isBlockDevice() || spec.volumeMode === 'Block') return path;
    await mountDevice({ device: path, target: folder, fsType, options: spec.mountOptions ?? [] });
    return folder;
  }
  if (spec?.nfs) {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    if (!(await isMounted(folder))) {
      const options = [...(spec.mountOptions ?? []), ...(spec.nfs.readOnly ? ['ro'] : [])];
      const source = `${spec.nfs.server}:${spec.nfs.path}`;
      await runCommand('mount', [
        '-t',
        'nfs',
        ...(options.length > 0 ? ['-o', options.join(',')] : []),
        source,
        folder,
      ]);
    }
    return folder;
  }
  const kind = Object.keys(spec ?? {}).find((name) => knownSources.has(name));
  throw new Error(`no volume plugin matched for ${kind ?? 'the volume'}`);
}

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

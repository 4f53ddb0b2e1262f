/** Creates the default class `standard` of a new cluster, served by the cluster's own provisioner. */
import { StorageClass } from '../../api/resources.gen.ts';
import { isAlreadyExists } from '../../api/status.ts';
import { isDefaultClass, volumeAnnotations } from '../../api/storage/volume-binding.ts';
import type { ControllerEnvironment } from '../../client/controller/controller-cluster.ts';
import { ownProvisioner } from './provisioning/provisioner-names.ts';

/** Runs once at the start; a cluster that has a default class already is left alone. */
export async function ensureDefaultStorageClass(
  { client, informers, logger }: ControllerEnvironment,
  signal: AbortSignal,
): Promise<void> {
  const classes = informers.of(StorageClass);
  await classes.synced();
  if ([...classes.list()].some(isDefaultClass)) return;
  const standard = {
    metadata: { name: 'standard', annotations: { [volumeAnnotations.defaultClass]: 'true' } },
    provisioner: ownProvisioner,
    reclaimPolicy: 'Delete' as const,
    volumeBindingMode: 'Immediate' as const,
    allowVolumeExpansion: true,
  };
  try {
    await client.create(StorageClass, standard, { signal });
  } catch (error) {
    if (isAlreadyExists(error)) return;
    if (!signal.aborted) logger.error('the default storage class could not be made', { error });
  }
}

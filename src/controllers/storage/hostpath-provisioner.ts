/** Makes volumes for claims of the cluster's own classes: a directory on the disk of one node each. */
import { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../api/resources.gen.ts';
import { ignoreAlreadyExists } from '../../api/status.ts';
import { classOfClaim, volumeAnnotations } from '../../api/volume-binding.ts';
import { hostnameLabel } from '../../api/well-known.ts';
import { messageOf } from '../../base/error-message.ts';
import { defineController, watch } from '../../client/controller.ts';
import type { ReconcileCluster } from '../../client/controller-cluster.ts';
import { onNodeDirectory } from './node-directory.ts';
import { ownProvisioner, ownProvisioners } from './provisioner-names.ts';

/** Where on a node the directories are; nothing outside of it is ever deleted for a provisioned volume. */
const volumesFolder = '/var/lib/wherry/volumes';

export const hostpathProvisioner = defineController({
  name: 'hostpath-provisioner',
  component: ownProvisioner,
  reconciles: PersistentVolumeClaim,
  reads: [StorageClass, PersistentVolume],
  watches: [
    watch(Node, (node, old, informers) =>
      takesPods(node) && !(old && takesPods(old))
        ? waitingClaims(informers.of(PersistentVolumeClaim).list())
        : [],
    ),
  ],
  backoff: { firstMs: 500, maxMs: 60_000 },
  concurrency: 4,
  async reconcile(key, cluster, signal) {
    const claim = cluster.get(PersistentVolumeClaim, key);
    if (!claim || !isWaiting(claim)) return undefined;
    const storageClass = cluster.get(StorageClass, classOfClaim(claim));
    if (!storageClass || !ownProvisioners.has(storageClass.provisioner)) return undefined;
    const selected = claim.metadata.annotations?.[volumeAnnotations.selectedNode];
    if (!selected && storageClass.volumeBindingMode === 'WaitForFirstConsumer') return undefined;
    await provision(claim, storageClass, selected, cluster, signal);
    return undefined;
  },
});

function isWaiting({ metadata, spec }: PersistentVolumeClaim): boolean {
  const { storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
  const provisioner =
    metadata.annotations?.[storageProvisioner] ?? metadata.annotations?.[betaStorageProvisioner];
  return !spec?.volumeName && !metadata.deletionTimestamp && ownProvisioners.has(provisioner ?? '');
}

function waitingClaims(claims: Iterable<PersistentVolumeClaim>): string[] {
  return [...claims].filter(isWaiting).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

async function provision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  selected: string | undefined,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = claim.metadata;
  const say = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    cluster.event(PersistentVolumeClaim, claim, type, reason, message);
  const node = selected ? cluster.get(Node, selected) : pickNode(cluster);
  if (selected && !node) {
    // The node is gone: without the annotation the scheduler looks for another one.
    const patch = { metadata: { uid, annotations: { [volumeAnnotations.selectedNode]: null } } };
    await cluster.patch(PersistentVolumeClaim, claim, patch, { type: 'merge' }, signal);
    return;
  }
  say(
    'Normal',
    'Provisioning',
    `External provisioner is provisioning volume for claim "${namespace}/${name}"`,
  );
  try {
    if (!node) throw new Error('no node is ready to hold the volume');
    if (claim.spec?.volumeMode === 'Block') throw new Error('block volumes are not supported');
    const volume = volumeFor(claim, storageClass, node);
    const { path } = volume.spec.hostPath;
    await onNodeDirectory(cluster.client, node, { action: 'create', path }, signal);
    await cluster.create(PersistentVolume, volume, signal).catch(ignoreAlreadyExists);
    say('Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`);
  } catch (error) {
    if (signal.aborted) throw error;
    const why = messageOf(error);
    const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${why}`;
    say('Warning', 'ProvisioningFailed', message);
    throw error;
  }
}

/** The name comes from the claim's uid, so that a crash between two steps never leads to a second volume. */
function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node) {
  const { namespace, name, uid, resourceVersion } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  const hostname = node.metadata.labels?.[hostnameLabel] ?? node.metadata.name;
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
            { matchExpressions: [{ key: hostnameLabel, operator: 'In' as const, values: [hostname] }] },
          ],
        },
      },
    },
  };
}

/** For claims that do not wait for a pod: the node with the fewest volumes among those that take pods. */
function pickNode(cluster: ReconcileCluster): Node | undefined {
  const counts = new Map<string, number>();
  for (const { spec } of cluster.informer(PersistentVolume).list()) {
    const values = spec?.nodeAffinity?.required?.nodeSelectorTerms?.[0]?.matchExpressions?.[0]?.values ?? [];
    for (const hostname of values) counts.set(hostname, (counts.get(hostname) ?? 0) + 1);
  }
  const countOn = ({ metadata }: Node) => counts.get(metadata.labels?.[hostnameLabel] ?? '') ?? 0;
  return [...cluster.informer(Node).list()]
    .filter(takesPods)
    .sort(
      (left, right) => countOn(left) - countOn(right) || (left.metadata.name < right.metadata.name ? -1 : 1),
    )[0];
}

function takesPods({ spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
  return (
    Boolean(isReady) && !spec?.unschedulable && !spec?.taints?.some(({ effect }) => effect === 'NoSchedule')
  );
}

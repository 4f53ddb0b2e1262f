/** Creates volumes for claims of the cluster's own classes: each is a directory on the disk of one node. */

import { keyOf } from '../../api/meta.ts';
import {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StorageClass,
} from '../../api/resources.gen.ts';
import { ignoreAlreadyExists } from '../../api/status.ts';
import { classOfClaim, volumeAnnotations } from '../../api/volume-binding.ts';
import { hostnameLabel } from '../../api/well-known.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claimKeysOf, podsByClaim } from './claims-of-pod.ts';
import { onNodeDirectory } from './node-directory.ts';
import { ownProvisioner, ownProvisioners } from './provisioner-names.ts';
import { type PlacementWorld, pickNode } from './volume-node.ts';

/**
 * Where the directories are on a node. Not below `/var/lib/wherry`: in a node of this machine that is the data folder of
 * all its clusters, where volumes would outlive the cluster.
 */
const volumesFolder = '/var/lib/wherry-volumes';

/** By claim, the node on which its volume is being created, until the claim shows it. */
type VolumesUnderWay = Map<string, { uid: string; node: Node }>;

export function hostpathProvisioner(): AnyController {
  const underWay: VolumesUnderWay = new Map();
  return defineController({
    name: 'hostpath-provisioner',
    component: ownProvisioner,
    reconciles: PersistentVolumeClaim,
    reads: [StorageClass, PersistentVolume, Pod, StatefulSet],
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
      if (!claim || !isWaiting(claim)) underWay.delete(key);
      if (!claim || !isWaiting(claim)) return undefined;
      const storageClass = cluster.get(StorageClass, classOfClaim(claim));
      if (!storageClass || !ownProvisioners.has(storageClass.provisioner)) return undefined;
      const selected = claim.metadata.annotations?.[volumeAnnotations.selectedNode];
      if (!selected && storageClass.volumeBindingMode === 'WaitForFirstConsumer') return undefined;
      const node = selected ? cluster.get(Node, selected) : choose(claim, cluster);
      try {
        const isSelected = selected !== undefined;
        await provision({ claim, storageClass, node, isSelected }, cluster, signal);
      } catch (error) {
        underWay.delete(key);
        throw error;
      }
      return undefined;
    },
  });

  /** Chooses and remembers without a pause in between: claims of one pod are processed concurrently. */
  function choose(claim: PersistentVolumeClaim, cluster: ReconcileCluster): Node | undefined {
    const { namespace = '', uid } = claim.metadata;
    const node = pickNode(claim, worldOf(namespace, cluster, underWay));
    if (node) underWay.set(keyOf(claim), { uid, node });
    return node;
  }
}

function isWaiting({ metadata, spec }: PersistentVolumeClaim): boolean {
  const { storageProvisioner, betaStorageProvisioner } = volumeAnnotations;
  const provisioner =
    metadata.annotations?.[storageProvisioner] ?? metadata.annotations?.[betaStorageProvisioner];
  return !spec?.volumeName && !metadata.deletionTimestamp && ownProvisioners.has(provisioner ?? '');
}

function waitingClaims(claims: Iterable<PersistentVolumeClaim>): string[] {
  return [...claims].filter(isWaiting).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

interface Provisioning {
  claim: PersistentVolumeClaim;
  storageClass: StorageClass;
  node: Node | undefined;
  /** The node that the scheduler chose. */
  isSelected: boolean;
}

async function provision(
  { claim, storageClass, node, isSelected }: Provisioning,
  cluster: ReconcileCluster,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = claim.metadata;
  const record = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    cluster.event(targetOf(PersistentVolumeClaim, claim), type, reason, message);
  if (isSelected && !node) {
    // The node is gone: without the annotation the scheduler chooses another.
    const patch = { metadata: { uid, annotations: { [volumeAnnotations.selectedNode]: null } } };
    await cluster.patch(PersistentVolumeClaim, claim, patch, { type: 'merge', signal });
    return;
  }
  record(
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
    record('Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${volume.metadata.name}`);
  } catch (error) {
    if (signal.aborted) throw error;
    const why = messageOf(error);
    const message = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${why}`;
    record('Warning', 'ProvisioningFailed', message);
    throw error;
  }
}

/** The name is derived from the claim's uid, so that a crash between two steps never leads to a second volume. */
function volumeFor(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node) {
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

function worldOf(namespace: string, cluster: ReconcileCluster, underWay: VolumesUnderWay): PlacementWorld {
  const nodes = [...cluster.informer(Node).list()];
  const byHostname = new Map(nodes.map((node) => [hostnameOf(node), node]));
  const pods = cluster.informer(Pod);
  pods.addIndex(podsByClaim, claimKeysOf);
  const counts = new Map<string, number>();
  const count = (hostname: string) => counts.set(hostname, (counts.get(hostname) ?? 0) + 1);
  for (const volume of cluster.informer(PersistentVolume).list())
    for (const name of hostnamesOf(volume)) count(name);
  for (const { uid, node } of underWay.values())
    if (!cluster.get(PersistentVolume, `pvc-${uid}`)) count(hostnameOf(node));
  return {
    nodes: nodes.filter(takesPods),
    volumesOn: (node) => counts.get(hostnameOf(node)) ?? 0,
    nodeOf: (key) => {
      const claim = cluster.get(PersistentVolumeClaim, key);
      if (!claim) return undefined;
      const volume = cluster.get(PersistentVolume, claim.spec?.volumeName ?? `pvc-${claim.metadata.uid}`);
      const name = underWay.get(key)?.node.metadata.name;
      return volume
        ? byHostname.get(hostnamesOf(volume)[0] ?? '')
        : nodes.find(({ metadata }) => metadata.name === name);
    },
    podsUsing: (key) => [...pods.byIndex(podsByClaim, key)],
    statefulSets: [...cluster.informer(StatefulSet).inNamespace(namespace)],
    claims: [...cluster.informer(PersistentVolumeClaim).inNamespace(namespace)],
  };
}

function hostnameOf({ metadata }: Node): string {
  return metadata.labels?.[hostnameLabel] ?? metadata.name;
}

/** The nodes to which the volume's affinity ties it. */
function hostnamesOf({ spec }: PersistentVolume): readonly string[] {
  return spec?.nodeAffinity?.required?.nodeSelectorTerms?.[0]?.matchExpressions?.[0]?.values ?? [];
}

function takesPods({ spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  );
  return (
    Boolean(isReady) && !spec?.unschedulable && !spec?.taints?.some(({ effect }) => effect === 'NoSchedule')
  );
}

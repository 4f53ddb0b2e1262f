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
import { classOfClaim, volumeAnnotations } from '../../api/storage/volume-binding.ts';
import { messageOf } from '../../base/text/error-message.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';
import type { ReconcileCluster } from '../../client/controller/controller-cluster.ts';
import { targetOf } from '../../client/events/event-recorder.ts';
import { claimKeysOf, podsByClaim } from './claims-of-pod.ts';
import {
  allowedNodes,
  hostnameOf,
  hostnamesOf,
  isDue,
  isWaiting,
  type ProvisioningPlan,
  planProvisioning,
  selectedNodeOf,
  takesPods,
} from './provisioning/hostpath-plan.ts';
import { onNodeDirectory } from './provisioning/node-directory.ts';
import { ownProvisioner } from './provisioning/provisioner-names.ts';
import { type PlacementWorld, pickNode } from './provisioning/volume-node.ts';

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
      if (!storageClass || !isDue(claim, storageClass)) return undefined;
      // It has its volume, and waits to be bound to it.
      if (cluster.get(PersistentVolume, `pvc-${claim.metadata.uid}`)) return undefined;
      const selected = selectedNodeOf(claim);
      const node =
        selected === undefined ? choose(claim, storageClass, cluster) : cluster.get(Node, selected);
      try {
        await provision(claim, storageClass, planProvisioning(claim, storageClass, node), {
          cluster,
          signal,
        });
      } catch (error) {
        underWay.delete(key);
        throw error;
      }
      return undefined;
    },
  });

  /** Chooses and remembers without a pause in between: claims of one pod are processed concurrently. */
  function choose(
    claim: PersistentVolumeClaim,
    storageClass: StorageClass,
    cluster: ReconcileCluster,
  ): Node | undefined {
    const { namespace = '', uid } = claim.metadata;
    const before = underWay.get(keyOf(claim));
    // The cache may not show the volume yet: a directory on a second node would be nobody's.
    if (before?.uid === uid) return before.node;
    const world = worldOf(namespace, cluster, underWay);
    const node = pickNode(claim, { ...world, nodes: allowedNodes(storageClass, world.nodes) });
    if (node) underWay.set(keyOf(claim), { uid, node });
    return node;
  }
}

function waitingClaims(claims: Iterable<PersistentVolumeClaim>): string[] {
  return [...claims].filter(isWaiting).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

async function provision(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  plan: ProvisioningPlan,
  { cluster, signal }: { cluster: ReconcileCluster; signal: AbortSignal },
): Promise<void> {
  const { namespace, name, uid } = claim.metadata;
  const record = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    cluster.event(targetOf(PersistentVolumeClaim, claim), type, reason, message);
  if (plan.act === 'reschedule') {
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
    if (plan.act === 'fail') throw new Error(plan.why);
    const { node, volume } = plan;
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

/**
 * Bound claims keep their pod where the volume is; claims whose class waits for a consumer get their volume here: a
 * free one that the node can reach, or a new one for the node. The binder and the provisioner do the work; this plugin
 * requests it (through the claim and the volume) and waits until the claims are bound.
 */
import { controllerOf } from '../../../api/meta.ts';
import { PersistentVolume, PersistentVolumeClaim, type StorageClass } from '../../../api/resources.gen.ts';
import {
  classOfClaim,
  findVolume,
  isAllowedTopology,
  isClaimBound,
  noProvisioner,
  reachesNode,
  requestedBytes,
  volumeAnnotations,
} from '../../../api/storage/volume-binding.ts';
import type { Volume } from '../../../api/types/core-v1.gen.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Client } from '../../../client/client.ts';
import type { NodeInfo } from '../../framework/node-info.ts';
import { type Plugin, type Rejection, skip, unresolvable } from '../../framework/plugin.ts';
import { claimNameOf, type PodInfo } from '../../framework/pod-info.ts';
import { ClaimWaiter } from './claim-waiter.ts';
import { type ClaimDecision, ClaimsUnderWay } from './claims-under-way.ts';
import { hasEnoughCapacity } from './storage-capacity.ts';
import type { VolumeListers } from './volume-listers.ts';
import { isOwnClaim, mayBeItsVolume } from './volume-retry.ts';

const nodeConflict = unresolvable("node(s) didn't match PersistentVolume's node affinity");
const bindConflict = unresolvable("node(s) didn't find available persistent volumes to bind");
const notEnoughSpace = unresolvable('node(s) did not have enough free storage');
const volumeGone = unresolvable('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)');
const unboundImmediate = unresolvable('pod has unbound immediate PersistentVolumeClaims');

interface Choice {
  claim: PersistentVolumeClaim;
  /** Undefined: a new one is to be created. */
  volume: PersistentVolume | undefined;
}

interface VolumeState {
  /** Undefined when the volume of a bound claim is gone. */
  bound: (PersistentVolume | undefined)[];
  toBind: PersistentVolumeClaim[];
  /** Set by reserve. */
  chosen: Choice[];
}

export interface VolumeBindingOptions extends VolumeListers {
  client: Client;
  clock: Clock;
  bindTimeoutMs?: number;
}

export function volumeBinding(options: VolumeBindingOptions): Plugin<VolumeState> {
  const { client } = options;
  const waiter = new ClaimWaiter(options);
  const underWay = new ClaimsUnderWay();
  const release = ({ chosen }: VolumeState) => {
    for (const { claim } of chosen) underWay.leave(claim.metadata.uid);
  };
  return {
    name: 'VolumeBinding',
    retryRules: [
      { resource: 'PersistentVolumeClaim', changes: ['add', 'update'], helps: isOwnClaim },
      { resource: 'PersistentVolume', changes: ['add', 'update'], helps: mayBeItsVolume },
      { resource: 'StorageClass', changes: ['add', 'update'] },
      { resource: 'Node', changes: ['add', 'labels'] },
      { resource: 'CSINode', changes: ['add', 'update'] },
      { resource: 'CSIDriver', changes: ['update'] },
      { resource: 'CSIStorageCapacity', changes: ['add', 'update'] },
    ],
    preFilter(info) {
      if (info.claims.length === 0) return skip;
      const state = claimsOf(info, options);
      return 'bound' in state ? { kind: 'continue', state } : { kind: 'reject', rejection: state };
    },
    filter(_, node, { bound, toBind }) {
      for (const volume of bound) {
        if (!volume) return volumeGone;
        if (!reachesNode(volume, node.node)) return nodeConflict;
      }
      if (toBind.length === 0) return undefined;
      const chosen = choose(toBind, node, options, underWay);
      return Array.isArray(chosen) ? undefined : chosen;
    },
    reserve(_, node, state) {
      const chosen = choose(state.toBind, node, options, underWay);
      if (!Array.isArray(chosen)) return chosen;
      state.chosen = chosen;
      for (const { claim, volume } of chosen)
        underWay.join(claim.metadata.uid, { nodeName: node.name, volumeName: volume?.metadata.name });
      return undefined;
    },
    unreserve: (_, _node, state) => release(state),
    hasToPrepare: ({ chosen }) => chosen.length > 0,
    async preBind(_, node, state, signal) {
      if (state.chosen.length === 0) return undefined;
      await Promise.all(
        state.chosen.map((choice) =>
          underWay.announced(choice.claim.metadata.uid, () => announce(client, choice, node.name, signal)),
        ),
      );
      await waiter.untilBound(
        state.chosen.map(({ claim }) => claim),
        signal,
      );
      return undefined;
    },
    postBind: (_, _node, state) => release(state),
  };
}

/** The volumes and claims of a pod, or why it cannot be placed with them. */
function claimsOf(info: PodInfo, { claims, volumes, classes }: VolumeListers): VolumeState | Rejection {
  const own: PersistentVolumeClaim[] = [];
  for (const volume of info.pod.spec?.volumes ?? []) {
    const name = claimNameOf(info.pod, volume);
    if (name === undefined) continue;
    const claim = claims.get(`${info.namespace}/${name}`);
    const problem = whyUnusable(claim, name, info, volume);
    if (problem) return problem;
    own.push(claim!);
  }
  // That a claim is missing is reported before that another has no volume.
  const state: VolumeState = { bound: [], toBind: [], chosen: [] };
  for (const claim of own) {
    if (isClaimBound(claim)) state.bound.push(volumes.get(claim.spec!.volumeName!));
    else if (!claim.spec?.volumeName && isDelayed(classes.get(classOfClaim(claim)))) state.toBind.push(claim);
    else return unboundImmediate;
  }
  return state;
}

/** A volume for each of the claims, or that one can be made on the node; or why that fails for one. */
function choose(
  toBind: readonly PersistentVolumeClaim[],
  node: NodeInfo,
  listers: VolumeListers,
  underWay: ClaimsUnderWay,
): Choice[] | Rejection {
  const { volumes, classes } = listers;
  const taken = underWay.volumes();
  const choices: Choice[] = [];
  // Small claims first: a large volume is not wasted on one while another claim needs it.
  for (const claim of toBind.toSorted((left, right) => requestedBytes(left) - requestedBytes(right))) {
    const decided = underWay.of(claim.metadata.uid);
    if (decided) {
      const choice = follow(decided, claim, node, listers);
      if (!choice) return bindConflict;
      choices.push(choice);
      continue;
    }
    const selected = claim.metadata.annotations?.[volumeAnnotations.selectedNode];
    if (selected !== undefined && selected !== node.name) return bindConflict;
    const volume =
      selected === undefined
        ? findVolume(claim, volumes.list(), { node: node.node, taken, isDelayed: true })
        : undefined;
    const storageClass = classes.get(classOfClaim(claim));
    if (!volume && !canProvision(storageClass, node)) return bindConflict;
    if (!volume && !hasEnoughCapacity(claim, storageClass!, node, listers)) return notEnoughSpace;
    if (volume) taken.add(volume.metadata.name);
    choices.push({ claim, volume });
  }
  return choices;
}

/** The decision made for another pod with the claim; undefined: it is for another node. */
function follow(
  { nodeName, volumeName }: ClaimDecision,
  claim: PersistentVolumeClaim,
  node: NodeInfo,
  { volumes }: VolumeListers,
): Choice | undefined {
  if (volumeName === undefined) return nodeName === node.name ? { claim, volume: undefined } : undefined;
  const volume = volumes.get(volumeName);
  return volume && reachesNode(volume, node.node) ? { claim, volume } : undefined;
}

/** Why the pod cannot be placed anywhere with this claim. */
function whyUnusable(
  claim: PersistentVolumeClaim | undefined,
  name: string,
  { pod, key }: PodInfo,
  { ephemeral }: Volume,
): Rejection | undefined {
  const isEphemeral = ephemeral !== undefined;
  if (!claim)
    return unresolvable(
      isEphemeral
        ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
        : `persistentvolumeclaim "${name}" not found`,
    );
  if (claim.status?.phase === 'Lost')
    return unresolvable(
      `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName}"`,
    );
  if (claim.metadata.deletionTimestamp)
    return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
  if (isEphemeral && controllerOf(claim)?.uid !== pod.metadata.uid)
    return unresolvable(
      `PVC ${claim.metadata.namespace}/${name} was not created for pod ${key} (pod is not owner)`,
    );
  return undefined;
}

function isDelayed(storageClass: StorageClass | undefined): boolean {
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}

/** A new volume of the class may be made on the node. */
function canProvision(storageClass: StorageClass | undefined, node: NodeInfo): boolean {
  if (!storageClass || storageClass.provisioner === noProvisioner) return false;
  return isAllowedTopology(storageClass, node.labels);
}

/** Passes the decision on to binder and provisioner, unless that was done before. */
async function announce(
  client: Client,
  { claim, volume }: Choice,
  nodeName: string,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace = '', uid, resourceVersion, annotations } = claim.metadata;
  if (!volume) {
    if (annotations?.[volumeAnnotations.selectedNode] === nodeName) return;
    const patch = { metadata: { uid, annotations: { [volumeAnnotations.selectedNode]: nodeName } } };
    await client.patch(PersistentVolumeClaim, { name, namespace }, patch, { type: 'merge', signal });
    return;
  }
  const claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', name, namespace, uid, resourceVersion };
  if (volume.spec?.claimRef?.uid === uid) return;
  const wasFree = volume.spec?.claimRef === undefined;
  const marks: Record<string, string> = wasFree ? { [volumeAnnotations.boundByController]: 'yes' } : {};
  const bound: PersistentVolume = {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...marks } },
    spec: { ...volume.spec!, claimRef },
  };
  await client.update(PersistentVolume, bound, { signal });
}

/** Devices that pods claim: nodes that do not offer them are refused, and those on the chosen node are allocated. */
import { CelError } from '../../api/cel/environment.ts';
import { claimFinalizer, isMadeFor, isReservedFor, podClaims } from '../../api/resource/pod-claims.ts';
import {
  DeviceClass,
  DeviceTaintRule,
  type Pod,
  ResourceClaim,
  ResourceSlice,
} from '../../api/resources.gen.ts';
import { formatTime } from '../../api/schema/time.ts';
import { compileNodeSelector } from '../../api/selectors/node-selector.ts';
import type { AllocationResult } from '../../api/types/resource-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import type { Informer, InformerFactory } from '../../client/informers/informer.ts';
import {
  allocateDevices,
  classesAskedFor,
  type DeviceWorld,
  devicesInUse,
} from '../devices/device-allocation.ts';
import { DeviceOffer } from '../devices/device-pools.ts';
import { sharesInUse } from '../devices/shared-capacity.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import {
  type ClusterEvent,
  type Plugin,
  type Rejection,
  type RetryRule,
  type Snapshot,
  skip,
  unresolvable,
} from '../framework/plugin.ts';
import type { PodInfo } from '../framework/pod-info.ts';

interface ClaimState {
  claims: readonly ResourceClaim[];
  /** Those without devices, and the devices to choose from. */
  toAllocate: readonly ResourceClaim[];
  world: DeviceWorld | undefined;
  /** Node → allocations found there; undefined when there are none. */
  found: Map<string, AllocationResult[] | undefined>;
}

const elsewhere = unresolvable('resourceclaim not available on the node');
const noneLeft = unresolvable('cannot allocate all claims');
/** Pods that may use one claim. */
const usersMax = 256;

export interface DynamicResourcesOptions {
  client: Client;
  clock: Clock;
  random: Random;
  informers: InformerFactory;
}

export function dynamicResources(options: DynamicResourcesOptions): Plugin<ClaimState> {
  const { client, clock, random, informers } = options;
  const known = new KnownDevices(informers, random);
  const { allocations } = known;
  return {
    name: 'DynamicResources',
    retryRules,
    preEnqueue({ pod }) {
      if (!pod.spec?.resourceClaims?.length) return undefined;
      const own = known.claimsOf(pod);
      return 'code' in own ? own : undefined;
    },
    preFilter({ pod }) {
      if (!pod.spec?.resourceClaims?.length) return skip;
      const own = known.claimsOf(pod);
      if ('code' in own) return { kind: 'reject', rejection: own };
      const toAllocate = own.filter((claim) => !allocations.of(claim));
      const refused = whyTaken(own, pod) ?? whyClassless(toAllocate, (name) => known.hasClass(name));
      if (refused) return { kind: 'reject', rejection: refused };
      const world = toAllocate.length > 0 ? known.world() : undefined;
      return { kind: 'continue', state: { claims: own, toAllocate, world, found: new Map() } };
    },
    filter(_, node, state) {
      const isElsewhere = state.claims.some((claim) => !reaches(allocations.of(claim), node));
      return isElsewhere ? elsewhere : whyNoneLeft(node, state);
    },
    postFilter({ pod: { pod }, snapshot, hasSeenPod, hasRefusedPod }) {
      // Upstream's plugin finds no state of its own then, says so, and ends the search.
      if (!hasSeenPod) return { victims: [], message: 'not found', isFinal: true };
      if (hasRefusedPod || podClaims(pod).length === 0)
        return { victims: [], message: 'no new claims to deallocate' };
      const misplaced = known.misplacedClaim(pod, snapshot);
      if (!misplaced) return { victims: [], message: 'still not schedulable' };
      const giveBack = (signal: AbortSignal) => deallocate(client, misplaced, signal);
      return { victims: [], message: 'deallocation of ResourceClaim completed', giveBack };
    },
    cloneState: (state) => ({ ...state, found: new Map(state.found) }),
    reserve(_, { name }, { toAllocate, found }) {
      const chosen = found.get(name) ?? [];
      for (const [index, claim] of toAllocate.entries()) allocations.decide(claim, chosen[index]!);
      return undefined;
    },
    unreserve(_, _node, { toAllocate }) {
      for (const claim of toAllocate) allocations.withdraw(claim);
    },
    hasToPrepare: ({ claims }) => claims.length > 0,
    async preBind({ pod }, _node, { claims }, signal) {
      for (const claim of claims) {
        const found = allocations.of(claim);
        // Drivers that prepare a device only at binding are given time from here on.
        const allocation = found && { allocationTimestamp: formatTime(clock.now()), ...found };
        await reserveClaim(client, { claim, allocation, pod }, signal);
      }
      return undefined;
    },
  };
}

/** Claims, classes and devices as the informers show them, with the allocations that were decided since. */
class KnownDevices {
  readonly #claims: Informer<ResourceClaim>;
  readonly #slices: Informer<ResourceSlice>;
  readonly #classes: Informer<DeviceClass>;
  readonly #taintRules: Informer<DeviceTaintRule>;
  readonly #random: Random;
  readonly allocations: Allocations;

  constructor(informers: InformerFactory, random: Random) {
    this.#random = random;
    this.#claims = informers.of(ResourceClaim);
    this.#slices = informers.of(ResourceSlice);
    this.#classes = informers.of(DeviceClass);
    this.#taintRules = informers.of(DeviceTaintRule);
    this.allocations = new Allocations(this.#claims);
  }

  claimsOf(pod: Pod): ResourceClaim[] | Rejection {
    return claimsOf(pod, (key) => this.#claims.get(key));
  }

  /** A claim of the pod whose devices it cannot reach. */
  misplacedClaim(pod: Pod, snapshot: Snapshot): ResourceClaim | undefined {
    const own = this.claimsOf(pod);
    return 'code' in own ? undefined : own.find((claim) => isMisplaced(claim, pod, snapshot));
  }

  hasClass(name: string): boolean {
    return this.#classes.get(name) !== undefined;
  }

  world(): DeviceWorld {
    return {
      offer: new DeviceOffer(this.#slices.list(), [...this.#taintRules.list()]),
      inUse: devicesInUse(this.allocations.all()),
      shares: sharesInUse(this.allocations.all()),
      newShareId: () => this.#random.uuid(),
      classOf: (name) => this.#classes.get(name),
    };
  }
}

const retryRules: readonly RetryRule[] = [
  { resource: 'ResourceClaim', changes: ['add', 'update', 'delete'], helps: mayFree },
  { resource: 'ResourceSlice', changes: ['add', 'update', 'delete'] },
  { resource: 'DeviceTaintRule', changes: ['update', 'delete'] },
  { resource: 'DeviceClass', changes: ['add', 'update'] },
  { resource: 'TargetPod', changes: ['resourceClaims'] },
  // What was decided for a pod that could not be bound was never in the status of its claims.
  { resource: 'AssignedPod', changes: ['delete'], helps: (_, { old }) => gaveUpDevices(old as Pod) },
  { resource: 'Node', changes: ['add', 'labels', 'taints'] },
];

/** Whether the devices of an allocation can be used from the node; where there are none yet, this rules out no node. */
function reaches(allocation: AllocationResult | undefined, { node }: NodeInfo): boolean {
  return !allocation?.nodeSelector || compileNodeSelector(allocation.nodeSelector)(node);
}

/** @throws Error when an expression of a claim or class fails: no other node can help, only a change of the object */
function whyNoneLeft(
  { name, node }: NodeInfo,
  { toAllocate, world, found }: ClaimState,
): Rejection | undefined {
  if (!world) return undefined;
  try {
    if (!found.has(name)) found.set(name, allocateDevices(toAllocate, node, world));
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new Error(`running "DynamicResources" filter plugin: ${error.message}`, { cause: error });
  }
  return found.get(name) ? undefined : noneLeft;
}

/** The allocations of claims: those in their status, and those decided on that the status does not show yet. */
class Allocations {
  readonly #claims: Informer<ResourceClaim>;
  /** By the claim's uid. */
  readonly #decided = new Map<string, AllocationResult>();

  constructor(claims: Informer<ResourceClaim>) {
    this.#claims = claims;
    claims.handle({
      updated: (claim) => {
        if (claim.status?.allocation) this.withdraw(claim);
      },
      deleted: (claim) => this.withdraw(claim),
    });
  }

  of({ metadata, status }: ResourceClaim): AllocationResult | undefined {
    return status?.allocation ?? this.#decided.get(metadata.uid);
  }

  *all(): Generator<AllocationResult> {
    for (const claim of this.#claims.list()) {
      const allocation = this.of(claim);
      if (allocation) yield allocation;
    }
  }

  decide({ metadata }: ResourceClaim, allocation: AllocationResult): void {
    this.#decided.set(metadata.uid, allocation);
  }

  /** The decision no longer counts: it was not carried out, or is in the status by now. */
  withdraw({ metadata }: ResourceClaim): void {
    this.#decided.delete(metadata.uid);
  }
}

/** The claims of a pod, or why it cannot be scheduled yet. */
function claimsOf(pod: Pod, get: (key: string) => ResourceClaim | undefined): ResourceClaim[] | Rejection {
  const { namespace, name: podName } = pod.metadata;
  const found: ResourceClaim[] = [];
  for (const { claimName, isMade } of podClaims(pod)) {
    if (claimName === undefined)
      return unresolvable(`pod "${namespace}/${podName}": ResourceClaim not created yet`);
    if (claimName === '') continue;
    const claim = get(`${namespace}/${claimName}`);
    if (!claim) return unresolvable(`resourceclaim.resource.k8s.io "${claimName}" not found`);
    if (claim.metadata.deletionTimestamp)
      return unresolvable(`resourceclaim "${claimName}" is being deleted`);
    if (isMade && !isMadeFor(claim, pod))
      return unresolvable(
        `ResourceClaim ${namespace}/${claimName} was not created for pod ${namespace}/${podName} (pod is not owner)`,
      );
    found.push(claim);
  }
  return found;
}

function whyTaken(claims: readonly ResourceClaim[], pod: Pod): Rejection | undefined {
  const isFull = claims.some(
    (claim) => !isReservedFor(claim, pod) && (claim.status?.reservedFor?.length ?? 0) >= usersMax,
  );
  return isFull ? unresolvable('resourceclaim in use') : undefined;
}

function whyClassless(
  claims: readonly ResourceClaim[],
  isThere: (className: string) => boolean,
): Rejection | undefined {
  for (const claim of claims)
    for (const { request, className } of classesAskedFor(claim))
      if (!isThere(className))
        return unresolvable(`request ${request}: device class ${className} does not exist`);
  return undefined;
}

/** One of the pod's claims has changed, or another claim may have given devices back. */
function mayFree({ pod, namespace }: PodInfo, { old, current }: ClusterEvent): boolean {
  const claim = (current ?? old) as ResourceClaim;
  if (claim.metadata.namespace === namespace) {
    const { name } = claim.metadata;
    if (isMadeFor(claim, pod) || podClaims(pod).some(({ claimName }) => claimName === name)) return true;
  }
  const before = (old as ResourceClaim | undefined)?.status?.allocation;
  return before !== undefined && !(current as ResourceClaim | undefined)?.status?.allocation;
}

function gaveUpDevices(pod: Pod): boolean {
  return !pod.spec?.nodeName && podClaims(pod).length > 0;
}

/** A failed binding left the claim allocated where this pod, which alone may use it, cannot go. */
function isMisplaced({ status }: ResourceClaim, { metadata }: Pod, { nodes }: Snapshot): boolean {
  const isOthers = (status?.reservedFor ?? []).some(({ uid }) => uid !== metadata.uid);
  return !isOthers && nodes.some((node) => !reaches(status?.allocation, node));
}

/** The server refuses this when the claim has changed meanwhile: another pod may have come to use it. */
async function deallocate(client: Client, claim: ResourceClaim, signal: AbortSignal): Promise<void> {
  const { allocation: _, reservedFor: __, ...status } = claim.status ?? {};
  await client.update(ResourceClaim, { ...claim, status }, { subresource: 'status', signal });
}

/** The finalizer goes first: a claim with devices must not vanish before they are given back. */
async function reserveClaim(
  client: Client,
  { claim, allocation, pod }: { claim: ResourceClaim; allocation: AllocationResult | undefined; pod: Pod },
  signal: AbortSignal,
): Promise<void> {
  let current = claim;
  const { finalizers = [] } = claim.metadata;
  const isAllocated = claim.status?.allocation !== undefined;
  if (allocation && !isAllocated && !finalizers.includes(claimFinalizer)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, claimFinalizer] };
    current = await client.update(ResourceClaim, { ...claim, metadata }, { signal });
  }
  if (isAllocated && isReservedFor(claim, pod)) return;
  const { name, uid } = pod.metadata;
  const reservedFor = [...(claim.status?.reservedFor ?? []), { resource: 'pods', name, uid }];
  const status = { ...claim.status, ...(allocation && { allocation }), reservedFor };
  await client.update(ResourceClaim, { ...current, status }, { subresource: 'status', signal });
}

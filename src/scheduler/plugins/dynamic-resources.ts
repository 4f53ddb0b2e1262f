/** Devices that pods claim: nodes that do not offer them are refused, and those on the chosen node are allocated. */
import { CelError } from '../../api/cel/environment.ts';
import { isReservedFor } from '../../api/resource/pod-claims.ts';
import type { Pod, ResourceClaim } from '../../api/resources.gen.ts';
import { compileNodeSelector } from '../../api/selectors/node-selector.ts';
import type { AllocationResult } from '../../api/types/resource-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { MetricsRegistry } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { isLost } from '../devices/binding-conditions.ts';
import { ClaimBinder, type ExtendedChoice } from '../devices/claim-binder.ts';
import { claimRetryRules } from '../devices/claim-retries.ts';
import { deallocate, deleteClaim } from '../devices/claim-writes.ts';
import { allocateDevices, classesAskedFor, type DeviceWorld } from '../devices/device-allocation.ts';
import { deviceMetrics } from '../devices/device-metrics.ts';
import type { ExtendedClaim, ExtendedNeed } from '../devices/extended-need.ts';
import type { KnownDevices } from '../devices/known-devices.ts';
import { ReadinessWaiter } from '../devices/readiness-waiter.ts';
import type { NodeInfo } from '../framework/node-info.ts';
import { type Plugin, type Rejection, type Snapshot, skip, unresolvable } from '../framework/plugin.ts';

/** What a pod gets on one node. */
interface NodeChoice {
  /** Of the claims that have none yet, in their order. */
  allocations: readonly AllocationResult[];
  extended?: ExtendedChoice;
}

interface ClaimState {
  /** Those that the pod names. */
  claims: readonly ResourceClaim[];
  /** Those without devices, and the devices to choose from. */
  toAllocate: readonly ResourceClaim[];
  extended: ExtendedNeed | undefined;
  world: DeviceWorld | undefined;
  /** By node; undefined where not everything is available. */
  found: Map<string, NodeChoice | undefined>;
}

const elsewhere = unresolvable('resourceclaim not available on the node');
const noneLeft = unresolvable('cannot allocate all claims');
const nothing: NodeChoice = { allocations: [] };
/** Pods that may use one claim. */
const usersMax = 256;

export interface DynamicResourcesArgs {
  /** For how long drivers may prepare devices before a pod is bound. */
  bindingTimeoutMs?: number;
}

export interface DynamicResourcesOptions {
  client: Client;
  clock: Clock;
  recorder: EventRecorder;
  metrics: MetricsRegistry;
  devices: KnownDevices;
}

const bindingTimeoutDefaultMs = 600_000;

export function dynamicResources(
  options: DynamicResourcesOptions,
  { bindingTimeoutMs: timeoutMs = bindingTimeoutDefaultMs }: DynamicResourcesArgs = {},
): Plugin<ClaimState> {
  const { client, clock, devices: known } = options;
  const { allocations } = known;
  const waiter = new ReadinessWaiter({ claims: known.claims, clock, timeoutMs });
  const metrics = deviceMetrics(options.metrics);
  const binder = new ClaimBinder({ ...options, allocations, waiter, metrics });
  /** Its devices could not be prepared in an earlier attempt. */
  const isLostNow = (claim: ResourceClaim) => isLost(claim, { nowMs: clock.now(), timeoutMs });
  return {
    name: 'DynamicResources',
    retryRules: claimRetryRules,
    preEnqueue({ pod }) {
      if (!pod.spec?.resourceClaims?.length) return undefined;
      const own = known.claimsOf(pod);
      return 'code' in own ? own : undefined;
    },
    preFilter(info) {
      const { pod } = info;
      const extended = known.extendedNeedOf(info);
      if (!pod.spec?.resourceClaims?.length && !extended) return skip;
      const own = known.claimsOf(pod);
      if ('code' in own) return { kind: 'reject', rejection: own };
      const toAllocate = own.filter((claim) => !allocations.of(claim));
      const refused = whyTaken(own, pod) ?? whyClassless(toAllocate, (name) => known.hasClass(name));
      if (refused) return { kind: 'reject', rejection: refused };
      const world = toAllocate.length > 0 || extended ? known.world() : undefined;
      return { kind: 'continue', state: { claims: own, toAllocate, extended, world, found: new Map() } };
    },
    filter(_, node, state) {
      const made = state.extended?.on(node);
      if (made && 'code' in made) return made;
      const isElsewhere = state.claims.some(
        (claim) => !reaches(allocations.of(claim), node) || isLostNow(claim),
      );
      return isElsewhere ? elsewhere : whyNoneLeft(node, state, made);
    },
    postFilter({ pod: info, snapshot, hasSeenPod, hasRefusedPod }) {
      const { pod } = info;
      // Upstream's plugin finds no state of its own then, says so, and ends the search.
      if (!hasSeenPod) return { victims: [], message: 'not found', isFinal: true };
      const extended = known.extendedNeedOf(info);
      if (hasRefusedPod || !(pod.spec?.resourceClaims?.length || extended))
        return { victims: [], message: 'no new claims to deallocate' };
      const own = known.claimsOf(pod);
      const misplaced =
        'code' in own
          ? undefined
          : own.find((claim) => isOnlyFor(claim, pod) && (isLostNow(claim) || isMisplaced(claim, snapshot)));
      if (misplaced) {
        const giveBack = (signal: AbortSignal) => deallocate(client, misplaced, signal);
        return { victims: [], message: 'deallocation of ResourceClaim completed', giveBack };
      }
      const leftClaim = extended?.leftClaim;
      if (!leftClaim) return { victims: [], message: 'still not schedulable' };
      const giveBack = (signal: AbortSignal) => deleteClaim(client, leftClaim, signal);
      return { victims: [], message: 'deletion of ResourceClaim completed', giveBack };
    },
    cloneState: (state) => ({ ...state, found: new Map(state.found) }),
    reserve(_, { name }, { toAllocate, found }) {
      const { allocations: chosen, extended } = found.get(name) ?? nothing;
      for (const [index, claim] of toAllocate.entries()) allocations.decide(claim, chosen[index]!);
      if (extended) allocations.decide(extended.made.claim, extended.allocation);
      return undefined;
    },
    unreserve(_, { name }, { toAllocate, found }) {
      for (const claim of toAllocate) allocations.withdraw(claim);
      const extended = found.get(name)?.extended;
      if (extended) allocations.withdraw(extended.made.claim);
    },
    hasToPrepare: ({ claims, extended }) => claims.length > 0 || extended !== undefined,
    async preBind({ pod }, { name: nodeName }, { claims, found }, signal) {
      const extended = found.get(nodeName)?.extended;
      await binder.bind({ pod, nodeName, claims, extended }, signal);
      return undefined;
    },
  };
}

/** Whether the devices of an allocation can be used from the node; where there are none yet, this rules out no node. */
function reaches(allocation: AllocationResult | undefined, { node }: NodeInfo): boolean {
  return !allocation?.nodeSelector || compileNodeSelector(allocation.nodeSelector)(node);
}

/** @throws Error when an expression of a claim or class fails: no other node can help, only a change of the object */
function whyNoneLeft(
  { name, node }: NodeInfo,
  { toAllocate, world, found }: ClaimState,
  made: ExtendedClaim | undefined,
): Rejection | undefined {
  const claims = made ? [...toAllocate, made.claim] : toAllocate;
  if (!world || claims.length === 0) return undefined;
  try {
    if (!found.has(name)) found.set(name, choiceOf(allocateDevices(claims, node, world), made));
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw new Error(`running "DynamicResources" filter plugin: ${error.message}`, { cause: error });
  }
  return found.get(name) ? undefined : noneLeft;
}

/** The claim for extended resources is the last. */
function choiceOf(
  allocations: AllocationResult[] | undefined,
  made: ExtendedClaim | undefined,
): NodeChoice | undefined {
  if (!allocations || !made) return allocations && { allocations };
  return { allocations: allocations.slice(0, -1), extended: { made, allocation: allocations.at(-1)! } };
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

/** No other pod uses the claim. */
function isOnlyFor({ status }: ResourceClaim, { metadata }: Pod): boolean {
  return (status?.reservedFor ?? []).every(({ uid }) => uid === metadata.uid);
}

/** A failed binding left the claim allocated where the pod cannot go. */
function isMisplaced({ status }: ResourceClaim, { nodes }: Snapshot): boolean {
  return nodes.some((node) => !reaches(status?.allocation, node));
}

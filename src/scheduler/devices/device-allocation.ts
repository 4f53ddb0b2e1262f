/**
 * Which devices of a node satisfy claims: a search that takes devices in the order in which they are offered, and
 * backtracks when a constraint or a later request cannot be met. Pure.
 */
import { toleratesDeviceTaint } from '../../api/resource/device-taints.ts';
import type { DeviceClass, Node, ResourceClaim } from '../../api/resources.gen.ts';
import type {
  AllocationResult,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
} from '../../api/types/resource-v1.gen.ts';
import { describeAllocation } from './allocation-result.ts';
import { Counters } from './counters.ts';
import { areConstraintsMet, type Choice } from './device-constraints.ts';
import { type DeviceOffer, deviceId, type OfferedDevice } from './device-pools.ts';
import { isSelected } from './device-selector.ts';
import { type DeviceShare, type Portion, portionOf, SharedCapacity } from './shared-capacity.ts';

export interface DeviceWorld {
  offer: DeviceOffer;
  /** Ids of devices that claims hold. */
  inUse: ReadonlySet<string>;
  /** What claims have of devices that others may use too. */
  shares: readonly DeviceShare[];
  newShareId(): string;
  classOf(name: string): DeviceClass | undefined;
}

/** One way to satisfy a request. */
interface Alternative {
  /** As results name it: `request`, or `request/subrequest`. */
  name: string;
  asked: ExactDeviceRequest | DeviceSubRequest;
}

interface Wish {
  claim: ResourceClaim;
  alternatives: Alternative[];
}

/** A request that is being satisfied in one of its ways. */
interface Task extends Alternative {
  /** Of the request. */
  index: number;
  wish: Wish;
  isAdmin: boolean;
  devices: readonly OfferedDevice[];
  meant: Answers;
}

/** After this many devices the search ends without a result: a claim must not be able to stop the scheduler. */
const stepsMax = 20_000;

/**
 * An allocation for each claim, in order; undefined: the node cannot satisfy all of them.
 * @throws CelError when a selector fails
 */
export function allocateDevices(
  claims: readonly ResourceClaim[],
  node: Node,
  world: DeviceWorld,
): AllocationResult[] | undefined {
  const search = new Search(claims, node, world);
  if (!search.serve(0)) return undefined;
  return claims.map((claim) => describeAllocation(claim, search.choicesOf(claim), node, world));
}

/** Ids of the devices that claims hold, alone. */
export function devicesInUse(allocations: Iterable<AllocationResult>): Set<string> {
  const ids = new Set<string>();
  for (const { devices } of allocations)
    for (const { driver, pool, device, adminAccess, shareID } of devices?.results ?? [])
      if (!adminAccess && shareID === undefined) ids.add(deviceId(driver, pool, device));
  return ids;
}

class Search {
  readonly #wishes: Wish[];
  readonly #devices: readonly OfferedDevice[];
  readonly #world: DeviceWorld;
  readonly #counters: Counters;
  readonly #shared: SharedCapacity;
  readonly #taken = new Set<string>();
  readonly #choices: Choice[] = [];
  #steps = 0;

  constructor(claims: readonly ResourceClaim[], node: Node, world: DeviceWorld) {
    this.#wishes = claims.flatMap((claim) =>
      (claim.spec.devices?.requests ?? []).map((request) => ({
        claim,
        alternatives: alternativesOf(request),
      })),
    );
    this.#devices = world.offer.on(node);
    this.#world = world;
    this.#shared = new SharedCapacity(world.shares);
    this.#counters = new Counters(
      this.#devices.filter(({ id }) => world.inUse.has(id) || this.#shared.isUsed(id)),
    );
  }

  choicesOf(claim: ResourceClaim): Choice[] {
    return this.#choices.filter((choice) => choice.claim === claim);
  }

  /** Satisfies the requests from index `index` on. */
  serve(index: number): boolean {
    const wish = this.#wishes[index];
    if (!wish) return true;
    return wish.alternatives.some(({ name, asked }) => {
      const meant = new Answers((offered) => this.#isMeant(wish, asked, offered));
      const isAdmin = 'adminAccess' in asked && asked.adminAccess === true;
      const task = { index, wish, name, asked, isAdmin, meant };
      if (asked.allocationMode !== 'All')
        return this.#take({ ...task, devices: this.#devices }, 0, asked.count ?? 1);
      // Of devices that others may use too, all means those with room left.
      const devices = this.#devices.filter(
        (offered) => meant.of(offered) && this.#hasRoom(offered, sharedPortion(offered, asked)),
      );
      return devices.length > 0 && this.#take({ ...task, devices }, 0, devices.length);
    });
  }

  /** Takes `count` more devices, from `from` on, and then satisfies the following requests. */
  #take(task: Task, from: number, count: number): boolean {
    if (count === 0) return this.serve(task.index + 1);
    const { wish, name, asked, isAdmin, devices, meant } = task;
    for (let at = from; at + count <= devices.length; at++) {
      const offered = devices[at]!;
      // Expressions may fail: only devices that could be taken are asked, and none behind those that are.
      if (!isAdmin && this.#isHeld(offered)) continue;
      if (!meant.of(offered)) continue;
      if (++this.#steps > stepsMax) return false;
      const portion = sharedPortion(offered, asked);
      const choice: Choice = { claim: wish.claim, request: name, asked, isAdmin, offered, portion };
      if (!this.#add(choice)) continue;
      if (this.#take(task, at + 1, count - 1)) return true;
      this.#remove(choice);
      if (!meant.mayBeSoMany(devices, at + 1, count)) return false;
    }
    return false;
  }

  #isHeld({ id }: OfferedDevice): boolean {
    return this.#world.inUse.has(id) || this.#taken.has(id);
  }

  #add(choice: Choice): boolean {
    const { offered, isAdmin, claim, portion } = choice;
    if (!this.#hasRoom(offered, portion)) return false;
    // A shared device consumes its counters once, whoever uses it.
    if (!isAdmin && !this.#shared.isUsed(offered.id) && !this.#counters.take(offered)) return false;
    this.#choices.push(choice);
    if (!isAdmin && portion) this.#shared.take(offered, portion);
    else if (!isAdmin) this.#taken.add(offered.id);
    if (areConstraintsMet(claim.spec.devices?.constraints ?? [], this.choicesOf(claim))) return true;
    this.#remove(choice);
    return false;
  }

  #remove({ offered, isAdmin, portion }: Choice): void {
    this.#choices.pop();
    if (isAdmin) return;
    if (portion) this.#shared.giveBack(offered);
    else this.#taken.delete(offered.id);
    if (!this.#shared.isUsed(offered.id)) this.#counters.giveBack(offered);
  }

  #hasRoom(offered: OfferedDevice, portion: Portion | undefined): boolean {
    return !portion || this.#shared.hasRoom(offered, portion);
  }

  #isMeant({ claim }: Wish, asked: Alternative['asked'], offered: OfferedDevice): boolean {
    const { cel, taints, device } = offered;
    const deviceClass = this.#world.classOf(asked.deviceClassName);
    if (!deviceClass) return false;
    const tolerations = asked.tolerations ?? [];
    const isTolerated = taints.every(
      (taint) =>
        taint.effect === 'None' || tolerations.some((toleration) => toleratesDeviceTaint(toleration, taint)),
    );
    const { namespace, name } = claim.metadata;
    return (
      isTolerated &&
      isSelected(deviceClass.spec.selectors, cel, `class ${deviceClass.metadata.name}`) &&
      isSelected(asked.selectors, cel, `claim ${namespace}/${name}`) &&
      portionOf(device, asked.capacity?.requests) !== undefined
    );
  }
}

/** Whether a request means a device: asked once, and only when it matters. */
class Answers {
  readonly #ask: (offered: OfferedDevice) => boolean;
  readonly #known = new Map<OfferedDevice, boolean>();

  constructor(ask: (offered: OfferedDevice) => boolean) {
    this.#ask = ask;
  }

  /** @throws CelError when a selector fails */
  of(offered: OfferedDevice): boolean {
    const answer = this.#known.get(offered) ?? this.#ask(offered);
    this.#known.set(offered, answer);
    return answer;
  }

  /** As far as was asked so far. */
  mayBeSoMany(devices: readonly OfferedDevice[], from: number, count: number): boolean {
    let possible = 0;
    for (let at = from; at < devices.length && possible < count; at++)
      if (this.#known.get(devices[at]!) !== false) possible++;
    return possible >= count;
  }
}

/** What the request takes of the device, if others may use it too; undefined: the device is its alone. */
function sharedPortion({ device }: OfferedDevice, asked: Alternative['asked']): Portion | undefined {
  return device.allowMultipleAllocations ? portionOf(device, asked.capacity?.requests) : undefined;
}

function alternativesOf({ name, exactly, firstAvailable = [] }: DeviceRequest): Alternative[] {
  if (exactly) return [{ name, asked: exactly }];
  return firstAvailable.map((asked) => ({ name: `${name}/${asked.name}`, asked }));
}

/** Names of the classes in a claim's requests, with the request. */
export function* classesAskedFor(claim: ResourceClaim): Generator<{ request: string; className: string }> {
  for (const request of claim.spec.devices?.requests ?? [])
    for (const { name, asked } of alternativesOf(request))
      yield { request: name, className: asked.deviceClassName };
}

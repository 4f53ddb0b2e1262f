/** Which devices the drivers offer on a node: the newest generation of every pool, once all of its slices are there. */

import { type DeviceAddress, isSelectedBy } from '../../api/resource/device-taints.ts';
import type { DeviceTaintRule, Node, ResourceSlice } from '../../api/resources.gen.ts';
import { compileNodeSelector } from '../../api/selectors/node-selector.ts';
import type { CounterSet, Device, DeviceTaint } from '../../api/types/resource-v1.gen.ts';
import { type CelDevice, celDeviceOf } from './device-selector.ts';

export interface OfferedDevice {
  /** Devices are tried in this order. */
  readonly rank: number;
  /** `driver/pool/name`. */
  readonly id: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: Device;
  /** Its driver's, and those of an administrator. */
  readonly taints: readonly DeviceTaint[];
  readonly slice: ResourceSlice;
  /** The counters that devices of the pool consume. */
  readonly counters: readonly CounterSet[];
  readonly cel: CelDevice;
}

interface Pool {
  generation: number;
  slices: ResourceSlice[];
}

export function deviceId(driver: string, pool: string, device: string): string {
  return `${driver}/${pool}/${device}`;
}

/** The devices of all nodes; {@link DeviceOffer.on} picks those of one. */
export class DeviceOffer {
  readonly #byNode = new Map<string, OfferedDevice[]>();
  /** From slices that several nodes reach. */
  readonly #shared: OfferedDevice[] = [];
  #ranks = 0;
  readonly #rules: readonly DeviceTaintRule[];

  constructor(slices: Iterable<ResourceSlice>, rules: readonly DeviceTaintRule[] = []) {
    this.#rules = rules;
    for (const { slices: complete } of completePools(slices).sort(byPreference)) {
      const counters = complete.flatMap(({ spec }) => spec.sharedCounters ?? []);
      complete.sort((one, other) => compareTexts(one.metadata.name, other.metadata.name));
      for (const slice of complete) this.#offer(slice, counters);
    }
  }

  on(node: Node): OfferedDevice[] {
    const own = this.#byNode.get(node.metadata.name) ?? [];
    const shared = this.#shared.filter((offered) => reaches(offered, node));
    return shared.length === 0 ? own : [...own, ...shared].sort((left, right) => left.rank - right.rank);
  }

  #offer(slice: ResourceSlice, counters: readonly CounterSet[]): void {
    const { driver, pool, nodeName, devices = [] } = slice.spec;
    const offered = devices.map((device) => ({
      rank: this.#ranks++,
      id: deviceId(driver, pool.name, device.name),
      driver,
      pool: pool.name,
      device,
      taints: [
        ...(device.taints ?? []),
        ...this.#taintsByRule({ driver, pool: pool.name, device: device.name }),
      ],
      slice,
      counters,
      cel: celDeviceOf(driver, device),
    }));
    if (!nodeName) {
      this.#shared.push(...offered);
      return;
    }
    this.#byNode.set(nodeName, [...(this.#byNode.get(nodeName) ?? []), ...offered]);
  }

  #taintsByRule(address: DeviceAddress): DeviceTaint[] {
    return this.#rules.filter((rule) => isSelectedBy(rule, address)).map(({ spec }) => spec.taint);
  }
}

/**
 * Devices that are not ready before they are prepared come last. Otherwise by name: that is how drivers say what is to be
 * used first.
 */
function byPreference(left: Pool, right: Pool): number {
  const [{ spec: one }, { spec: other }] = [left.slices[0]!, right.slices[0]!];
  return (
    Number(mustBePrepared(left)) - Number(mustBePrepared(right)) ||
    compareTexts(one.driver, other.driver) ||
    compareTexts(one.pool.name, other.pool.name)
  );
}

function mustBePrepared({ slices }: Pool): boolean {
  return slices.some(({ spec }) => spec.devices?.some(({ bindingConditions }) => bindingConditions?.length));
}

function compareTexts(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

/** A pool that its driver is updating offers nothing. */
function completePools(slices: Iterable<ResourceSlice>): Pool[] {
  const pools = new Map<string, Pool>();
  for (const slice of slices) {
    const { driver, pool } = slice.spec;
    const key = `${driver}/${pool.name}`;
    const known = pools.get(key);
    if (!known || known.generation < pool.generation)
      pools.set(key, { generation: pool.generation, slices: [slice] });
    else if (known.generation === pool.generation) known.slices.push(slice);
  }
  return [...pools.values()].filter(({ slices: [first, ...others] }) => {
    return first!.spec.pool.resourceSliceCount === others.length + 1;
  });
}

function reaches({ slice: { spec }, device }: OfferedDevice, node: Node): boolean {
  const where = spec.perDeviceNodeSelection ? device : spec;
  if (where.allNodes) return true;
  if (where.nodeName) return where.nodeName === node.metadata.name;
  return where.nodeSelector !== undefined && compileNodeSelector(where.nodeSelector)(node);
}

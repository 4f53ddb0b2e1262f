/** Devices that several claims may use at once: every use takes its portion of what the device has. */
import {
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
} from '../../api/quantities/quantity.ts';
import type {
  AllocationResult,
  CapacityRequestPolicyRange,
  Device,
  DeviceCapacity,
} from '../../api/types/resource-v1.gen.ts';
import { deviceId, type OfferedDevice } from './device-pools.ts';

/** Capacity → how much of it a use takes. */
export type Portion = ReadonlyMap<string, Quantity>;

/** One use of a device that others may use too. */
export interface DeviceShare {
  /** Of the device, see {@link deviceId}. */
  id: string;
  portion: Portion;
}

/** What a request takes of a device; undefined: the device cannot give it, not even to that request alone. */
export function portionOf(
  { capacity = {} }: Device,
  requests: Readonly<Record<string, string>> = {},
): Portion | undefined {
  if (Object.keys(requests).some((name) => !Object.hasOwn(capacity, name))) return undefined;
  const portion = new Map<string, Quantity>();
  for (const [name, has] of Object.entries(capacity)) {
    const takes = amountTaken(has, requests[name]);
    if (!takes || compareQuantities(takes, parseQuantity(has.value)) > 0) return undefined;
    portion.set(name, takes);
  }
  return portion;
}

/** As it stands in the result of an allocation. */
export function portionText(portion: Portion): Record<string, string> {
  return Object.fromEntries([...portion].map(([name, amount]) => [name, formatQuantity(amount)]));
}

/** The uses of shared devices that claims have. */
export function sharesInUse(allocations: Iterable<AllocationResult>): DeviceShare[] {
  const shares: DeviceShare[] = [];
  for (const { devices } of allocations)
    for (const { driver, pool, device, adminAccess, shareID, consumedCapacity = {} } of devices?.results ??
      [])
      if (shareID !== undefined && !adminAccess) {
        const amounts = Object.entries(consumedCapacity);
        const portion = new Map(amounts.map(([name, amount]) => [name, parseQuantity(amount)]));
        shares.push({ id: deviceId(driver, pool, device), portion });
      }
  return shares;
}

/** What is taken of shared devices. */
export class SharedCapacity {
  /** Device → its uses. */
  readonly #uses = new Map<string, Portion[]>();

  constructor(shares: readonly DeviceShare[]) {
    for (const { id, portion } of shares) this.#usesOf(id).push(portion);
  }

  isUsed(id: string): boolean {
    return this.#usesOf(id).length > 0;
  }

  hasRoom({ id, device }: OfferedDevice, portion: Portion): boolean {
    const uses = this.#usesOf(id);
    return [...portion].every(([name, { nanos }]) => {
      const taken = uses.reduce((sum, use) => sum + (use.get(name)?.nanos ?? 0n), nanos);
      return taken <= parseQuantity(device.capacity![name]!.value).nanos;
    });
  }

  take({ id }: OfferedDevice, portion: Portion): void {
    this.#usesOf(id).push(portion);
  }

  /** What was taken last goes first. */
  giveBack({ id }: OfferedDevice): void {
    this.#usesOf(id).pop();
  }

  #usesOf(id: string): Portion[] {
    const uses = this.#uses.get(id) ?? [];
    this.#uses.set(id, uses);
    return uses;
  }
}

/** Undefined: the device's driver does not give so much. */
function amountTaken(
  { value, requestPolicy = {} }: DeviceCapacity,
  requested?: string,
): Quantity | undefined {
  const { default: preset, validRange, validValues = [] } = requestPolicy;
  if (requested === undefined) return parseQuantity(preset ?? value);
  const wanted = parseQuantity(requested);
  if (validRange) return nextInRange(wanted, validRange);
  // They are in ascending order.
  if (validValues.length > 0)
    return validValues.map(parseQuantity).find((valid) => compareQuantities(wanted, valid) <= 0);
  return wanted;
}

function nextInRange(wanted: Quantity, { min, max, step }: CapacityRequestPolicyRange): Quantity | undefined {
  const least = parseQuantity(min);
  const above = wanted.nanos - least.nanos;
  let amount = above < 0n ? least : wanted;
  if (step !== undefined && above > 0n) {
    const size = parseQuantity(step).nanos;
    amount = { nanos: least.nanos + ((above + size - 1n) / size) * size, format: 'BinarySI' };
  }
  return max === undefined || compareQuantities(amount, parseQuantity(max)) <= 0 ? amount : undefined;
}

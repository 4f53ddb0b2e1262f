/** Capacity and allocatable of a node, from the machine's facts, reservations and device plugins. Pure. */
import {
  formatQuantity,
  milliValueOf,
  parseQuantity,
  quantityFromMilli,
  wholeValueOf,
} from '../../api/quantities/quantity.ts';
import { minimumOf, type Signal, type Threshold } from '../eviction/eviction-plan.ts';
import type { MachineFacts, PodsShare } from '../machine.ts';

export interface ReservationSettings {
  podsMax: number;
  /** `cpu`, `memory`, `ephemeral-storage`, `pid`. */
  kubeReserved: Record<string, string>;
  systemReserved: Record<string, string>;
  /** The amounts of memory and disk below which pods are evicted at once cannot be requested. */
  evictionThresholds: readonly Threshold[];
}

type Reserved = Pick<ReservationSettings, 'kubeReserved' | 'systemReserved'>;

/** How much of the machine's memory all pods together may use: what is not reserved for other purposes. */
export function podsMemoryMaxBytes(
  { memoryBytes }: Pick<MachineFacts, 'memoryBytes'>,
  reserved: Reserved,
): number {
  return notReserved('memory', memoryBytes, reserved);
}

/** What all pods together may use: what is not reserved for other purposes. */
export function podsShare(
  { cpuCores, memoryBytes, pidsMax }: Pick<MachineFacts, 'cpuCores' | 'memoryBytes' | 'pidsMax'>,
  reserved: Reserved,
): PodsShare {
  return {
    milliCpu: notReserved('cpu', cpuCores * 1000, reserved, milliValueOf),
    memoryBytes: notReserved('memory', memoryBytes, reserved),
    ...(pidsMax !== undefined && { pidsMax: notReserved('pid', pidsMax, reserved) }),
  };
}

/** In the unit of `amount`, which is that of `amountOf`. Not negative: what is reserved may be more than there is. */
function notReserved(
  name: string,
  amount: number,
  { kubeReserved, systemReserved }: Reserved,
  amountOf: (text: string) => number = wholeValueOf,
): number {
  const reserved = [kubeReserved, systemReserved].map((amounts) => amountOf(amounts[name] ?? '0'));
  return Math.max(
    0,
    reserved.reduce((left, part) => left - part, amount),
  );
}

export interface NodeResources {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
}

export function nodeResources(
  facts: MachineFacts,
  { podsMax, evictionThresholds, ...reserved }: ReservationSettings,
  devices: Record<string, { capacity: number; allocatable: number }>,
): NodeResources {
  const evictedBelow = (signal: Signal, amount: number) => {
    const hard = evictionThresholds.find((threshold) => threshold.signal === signal && !threshold.graceMs);
    return hard ? minimumOf(hard, amount) : 0;
  };
  const memory = facts.memoryBytes;
  const storage = facts.ephemeralStorageBytes;
  const hugeTotal = Object.values(facts.hugepagesBytes).reduce((sum, bytes) => sum + bytes, 0);
  const capacity: Record<string, string> = {
    cpu: String(facts.cpuCores),
    'ephemeral-storage': `${Math.floor(storage / 1024)}Ki`,
    memory: `${Math.floor(memory / 1024)}Ki`,
    pods: String(podsMax),
  };
  const allocatable: Record<string, string> = {
    cpu: formatQuantity(quantityFromMilli(notReserved('cpu', facts.cpuCores * 1000, reserved, milliValueOf))),
    'ephemeral-storage': String(
      Math.floor(
        notReserved('ephemeral-storage', storage - evictedBelow('nodefs.available', storage), reserved),
      ),
    ),
    memory: `${Math.floor(notReserved('memory', memory - hugeTotal - evictedBelow('memory.available', memory), reserved) / 1024)}Ki`,
    pods: String(podsMax),
  };
  for (const [size, bytes] of Object.entries(facts.hugepagesBytes)) {
    const amount = bytes === 0 ? '0' : `${bytes / 1024 ** 2}Mi`;
    capacity[`hugepages-${size}`] = amount;
    allocatable[`hugepages-${size}`] = amount;
  }
  for (const [name, device] of Object.entries(devices)) {
    capacity[name] = String(device.capacity);
    allocatable[name] = String(device.allocatable);
  }
  return { capacity: canonical(capacity), allocatable: canonical(allocatable) };
}

/** In the API's canonical form, so that a repeated write makes no difference. */
function canonical(amounts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(amounts).map(([name, text]) => [name, formatQuantity(parseQuantity(text))]),
  );
}

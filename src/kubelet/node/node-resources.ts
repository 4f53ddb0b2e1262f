/** Capacity and allocatable of a node, from the machine's facts, reservations and device plugins. Pure. */
import { formatQuantity, milliValueOf, quantityFromMilli, wholeValueOf } from '../../api/quantity.ts';
import type { MachineFacts } from '../machine.ts';

export interface Reservations {
  /** `cpu`, `memory`, `ephemeral-storage`, `pid`. */
  kubeReserved: Record<string, string>;
  systemReserved: Record<string, string>;
  /** Memory and disk below which pods are evicted are nobody's to ask for. */
  evictionHard: { memoryBytes: number; nodeFsFraction: number };
}

export interface NodeResources {
  capacity: Record<string, string>;
  allocatable: Record<string, string>;
}

export function nodeResources(
  facts: MachineFacts,
  reservations: Reservations,
  podsMax: number,
  devices: Record<string, { capacity: number; allocatable: number }>,
): NodeResources {
  const reserved = (name: string, amountOf: (text: string) => number) =>
    amountOf(reservations.kubeReserved[name] ?? '0') + amountOf(reservations.systemReserved[name] ?? '0');
  const cpuMilli = facts.cpuCores * 1000;
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
    cpu: formatQuantity(quantityFromMilli(cpuMilli - reserved('cpu', milliValueOf))),
    'ephemeral-storage': String(
      Math.floor(
        storage * (1 - reservations.evictionHard.nodeFsFraction) -
          reserved('ephemeral-storage', wholeValueOf),
      ),
    ),
    memory: `${Math.floor((memory - hugeTotal - reservations.evictionHard.memoryBytes - reserved('memory', wholeValueOf)) / 1024)}Ki`,
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
  return { capacity, allocatable };
}

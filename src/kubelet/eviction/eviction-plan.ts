/** Which resource the node is short of, and which pod goes first. Pure. */
import { computePodRequests, numericAmounts } from '../../api/pod-resources.ts';
import { formatQuantity, quantityFromValue, wholeValueOf } from '../../api/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type { MachineUsage } from '../machine.ts';
import { isCriticalPod } from '../qos.ts';

export type Signal =
  | 'memory.available'
  | 'nodefs.available'
  | 'nodefs.inodesFree'
  | 'imagefs.available'
  | 'pid.available';

export interface Threshold {
  signal: Signal;
  /** Bytes or counts; or a part of the capacity. */
  minimum: number | { percent: number };
  /** Soft thresholds must be met for so long; hard ones act at once. */
  graceMs?: number;
  /** What pods get to end after a soft threshold, in seconds. */
  podGraceSeconds?: number;
}

/** Upstream's hard thresholds. */
export const defaultThresholds: readonly Threshold[] = [
  { signal: 'memory.available', minimum: 100 * 1024 ** 2 },
  { signal: 'nodefs.available', minimum: { percent: 10 } },
  { signal: 'nodefs.inodesFree', minimum: { percent: 5 } },
  { signal: 'imagefs.available', minimum: { percent: 15 } },
];

export interface Observation {
  available: number;
  capacity: number;
}

export function observe(usage: MachineUsage, memoryBytes: number): Map<Signal, Observation> {
  const found = new Map<Signal, Observation>();
  if (usage.memoryAvailableBytes !== undefined)
    found.set('memory.available', { available: usage.memoryAvailableBytes, capacity: memoryBytes });
  if (usage.nodeFs) {
    found.set('nodefs.available', {
      available: usage.nodeFs.availableBytes,
      capacity: usage.nodeFs.capacityBytes,
    });
    found.set('nodefs.inodesFree', { available: usage.nodeFs.inodesFree, capacity: usage.nodeFs.inodes });
  }
  if (usage.imageFs)
    found.set('imagefs.available', {
      available: usage.imageFs.availableBytes,
      capacity: usage.imageFs.capacityBytes,
    });
  if (usage.pids)
    found.set('pid.available', { available: usage.pids.max - usage.pids.current, capacity: usage.pids.max });
  return found;
}

export function minimumOf(threshold: Threshold, capacity: number): number {
  const { minimum } = threshold;
  return typeof minimum === 'number' ? minimum : Math.floor((capacity * minimum.percent) / 100);
}

/** Thresholds that are met, memory first: it cannot wait. */
export function metThresholds(
  thresholds: readonly Threshold[],
  observed: ReadonlyMap<Signal, Observation>,
): Threshold[] {
  return thresholds
    .filter((threshold) => {
      const observation = observed.get(threshold.signal);
      // File systems without a fixed number of inodes say zero.
      if (!observation || observation.capacity === 0) return false;
      return observation.available < minimumOf(threshold, observation.capacity);
    })
    .sort((a, b) => Number(b.signal === 'memory.available') - Number(a.signal === 'memory.available'));
}

export interface PodUse {
  pod: Pod;
  memoryBytes: number;
  diskBytes: number;
  pids: number;
}

/** The pods to evict, the first one first: those above their requests, then by priority, then by how far above. */
export function rankForEviction(signal: Signal, uses: readonly PodUse[]): PodUse[] {
  const resource = signal === 'memory.available' ? 'memory' : 'ephemeral-storage';
  const excessOf = ({ pod, memoryBytes, diskBytes, pids }: PodUse): number => {
    if (signal === 'pid.available') return pids;
    const used = resource === 'memory' ? memoryBytes : diskBytes;
    return used - (computePodRequests(pod, numericAmounts).get(resource) ?? 0);
  };
  return uses
    .filter(({ pod }) => !isCriticalPod(pod))
    .map((use) => ({ use, excess: excessOf(use) }))
    .sort(
      (a, b) =>
        Number(b.excess > 0) - Number(a.excess > 0) ||
        (a.use.pod.spec.priority ?? 0) - (b.use.pod.spec.priority ?? 0) ||
        b.excess - a.excess,
    )
    .map(({ use }) => use);
}

const resourceNames: Record<Signal, string> = {
  'memory.available': 'memory',
  'nodefs.available': 'ephemeral-storage',
  'nodefs.inodesFree': 'inodes',
  'imagefs.available': 'ephemeral-storage',
  'pid.available': 'pids',
};

/** Upstream's words to the evicted. */
export function evictionMessage(threshold: Threshold, observation: Observation, use: PodUse): string {
  const resource = resourceNames[threshold.signal];
  const isCount = resource === 'inodes' || resource === 'pids';
  const text = (amount: number) => (isCount ? String(amount) : bytesText(amount));
  let message = `The node was low on resource: ${resource}. Threshold quantity: ${text(minimumOf(threshold, observation.capacity))}, available: ${text(observation.available)}. `;
  if (resource !== 'memory' && resource !== 'ephemeral-storage') return message;
  const used = resource === 'memory' ? use.memoryBytes : use.diskBytes;
  for (const container of use.pod.spec.containers) {
    const request = container.resources?.requests?.[resource] ?? '0';
    if (used > wholeValueOf(request))
      message += `Container ${container.name} was using ${bytesText(used)}, request is ${request}, has larger consumption of ${resource}. `;
  }
  return message;
}

export function pressureOf(signals: Iterable<Signal>) {
  const pressure = { memoryPressure: false, diskPressure: false, pidPressure: false };
  for (const signal of signals) {
    if (signal === 'memory.available') pressure.memoryPressure = true;
    else if (signal === 'pid.available') pressure.pidPressure = true;
    else pressure.diskPressure = true;
  }
  return pressure;
}

function bytesText(amount: number): string {
  // In whole Ki, as upstream reads them from the kernel.
  return formatQuantity(quantityFromValue(Math.floor(amount / 1024) * 1024, 'BinarySI'));
}

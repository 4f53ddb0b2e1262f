/** Which resource the node is short of, and which pod is evicted first. Pure. */
import { computePodRequests, numericAmounts } from '../../api/quantities/pod-resources.ts';
import {
  formatQuantity,
  parseQuantity,
  quantityFromValue,
  wholeValueOf,
} from '../../api/quantities/quantity.ts';
import type { Pod } from '../../api/resources.gen.ts';
import { type DiskUse, sumOf } from '../linux/usage/folder-use.ts';
import type { MachineUsage } from '../machine.ts';
import type { PodDiskUse } from '../pod/pod-disk-use.ts';
import { isCriticalPod } from '../resources/qos.ts';

export const signals = [
  'memory.available',
  'allocatableMemory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof signals)[number];

export interface Threshold {
  signal: Signal;
  /** Bytes or counts; or a fraction of the capacity. */
  minimum: number | { percent: number };
  /** The minimum as given, if it was an amount. */
  minimumText?: string;
  /** Once it acts, how much more than the minimum must be available before it stops. */
  reclaim?: number | { percent: number };
  /** How long soft thresholds must be met; hard ones act at once. */
  graceMs?: number;
  /** The longest grace period of pods after a soft threshold, in seconds. */
  podGraceSeconds?: number;
}

/** Upstream's hard thresholds. */
export const defaultThresholds: readonly Threshold[] = [
  { signal: 'memory.available', minimum: 100 * 1024 ** 2 },
  { signal: 'nodefs.available', minimum: { percent: 10 } },
  { signal: 'nodefs.inodesFree', minimum: { percent: 5 } },
  { signal: 'imagefs.available', minimum: { percent: 15 } },
  { signal: 'imagefs.inodesFree', minimum: { percent: 5 } },
];

export interface Observation {
  available: number;
  capacity: number;
}

/** Of the memory that pods may use together: that limit, and their usage. */
export interface PodsMemory {
  usedBytes: number;
  maxBytes: number;
}

export function observe(
  usage: MachineUsage,
  memoryBytes: number,
  podsMemory?: PodsMemory,
): Map<Signal, Observation> {
  const found = new Map<Signal, Observation>();
  if (usage.memoryAvailableBytes !== undefined)
    found.set('memory.available', { available: usage.memoryAvailableBytes, capacity: memoryBytes });
  if (podsMemory) {
    const { usedBytes, maxBytes } = podsMemory;
    const available = Math.max(0, maxBytes - usedBytes);
    found.set('allocatableMemory.available', { available, capacity: maxBytes });
  }
  if (usage.nodeFs) {
    found.set('nodefs.available', {
      available: usage.nodeFs.availableBytes,
      capacity: usage.nodeFs.capacityBytes,
    });
    found.set('nodefs.inodesFree', { available: usage.nodeFs.inodesFree, capacity: usage.nodeFs.inodes });
  }
  if (usage.imageFs) {
    found.set('imagefs.available', {
      available: usage.imageFs.availableBytes,
      capacity: usage.imageFs.capacityBytes,
    });
    found.set('imagefs.inodesFree', { available: usage.imageFs.inodesFree, capacity: usage.imageFs.inodes });
  }
  if (usage.pids)
    found.set('pid.available', { available: usage.pids.max - usage.pids.current, capacity: usage.pids.max });
  return found;
}

export function minimumOf({ minimum }: Threshold, capacity: number): number {
  return amountOf(minimum, capacity);
}

function amountOf(amount: Threshold['minimum'], capacity: number): number {
  if (typeof amount === 'number') return amount;
  // Upstream keeps the fraction as a float32, from which the last digits of its message come.
  return Math.trunc(capacity * Math.fround(amount.percent / 100));
}

/**
 * Thresholds that are met, memory first, since it cannot wait. `isActing`: those that were met before, and have a
 * minimum to reclaim.
 */
export function metThresholds(
  thresholds: readonly Threshold[],
  observed: ReadonlyMap<Signal, Observation>,
  isActing: (threshold: Threshold) => boolean = () => false,
): Threshold[] {
  return thresholds
    .filter((threshold) => {
      const observation = observed.get(threshold.signal);
      // File systems without a fixed number of inodes report zero.
      if (!observation || observation.capacity === 0) return false;
      const { capacity, available } = observation;
      const more = isActing(threshold) ? amountOf(threshold.reclaim ?? 0, capacity) : 0;
      return available < minimumOf(threshold, capacity) + more;
    })
    .sort((a, b) => Number(isMemory(b)) - Number(isMemory(a)));
}

function isMemory({ signal }: Threshold): boolean {
  return resourceOf(signal) === 'memory';
}

export interface PodUse {
  pod: Pod;
  memoryBytes: number;
  /** On the disk in question: {@link countedDiskUse}; the same for inodes. */
  diskBytes: number;
  inodes: number;
  pids: number;
  /** By container name, where single containers are measured. */
  containers: ReadonlyMap<string, { memoryBytes: number; diskBytes: number }>;
}

/**
 * What a pod uses on the disk that the signal is about: all of its writable layers, logs and emptyDirs, unless images,
 * and with them writable layers, have a separate file system.
 */
export function countedDiskUse(
  signal: Signal,
  use: PodDiskUse,
  { imageFsIsApart = false }: Pick<MachineUsage, 'imageFsIsApart'>,
): DiskUse {
  const containers = [...use.containers.values()];
  const layers = containers.map(({ rootfs }) => rootfs);
  const local = [...containers.map(({ logs }) => logs), ...use.emptyDirs.values()];
  if (!imageFsIsApart) return sumOf([...layers, ...local]);
  return sumOf(signal.startsWith('imagefs.') ? layers : local);
}

/** Whether ended containers and unused images are on the disk that the signal is about. */
export function isOfImages(signal: Signal, { imageFsIsApart = false }: Pick<MachineUsage, 'imageFsIsApart'>) {
  return signal.startsWith('imagefs.') || (signal.startsWith('nodefs.') && !imageFsIsApart);
}

/** The pods to evict, in order: those above their requests, then by priority, then by how far above. */
export function rankForEviction(signal: Signal, uses: readonly PodUse[]): PodUse[] {
  const resource = resourceOf(signal);
  const excessOf = ({ pod, memoryBytes, diskBytes, inodes, pids }: PodUse): number => {
    const used = { memory: memoryBytes, 'ephemeral-storage': diskBytes, inodes, pids }[resource];
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

const resourceNames = {
  'memory.available': 'memory',
  'allocatableMemory.available': 'memory',
  'nodefs.available': 'ephemeral-storage',
  'nodefs.inodesFree': 'inodes',
  'imagefs.available': 'ephemeral-storage',
  'imagefs.inodesFree': 'inodes',
  'pid.available': 'pids',
} as const;

type Resource = (typeof resourceNames)[Signal];

/** What is reclaimed when a signal is low, in the words of events and messages. */
export function resourceOf(signal: Signal): Resource {
  return resourceNames[signal];
}

/** The grace period of an evicted pod. `specifiedSeconds`: from its spec. */
export function evictionGraceSeconds(threshold: Threshold, specifiedSeconds: number): number {
  if (threshold.graceMs === undefined) return immediateGraceSeconds;
  return Math.min(threshold.podGraceSeconds ?? 0, specifiedSeconds);
}

/** For evictions that cannot wait: hard thresholds, limits on local storage. */
export const immediateGraceSeconds = 1;

/** Upstream's message to evicted pods. */
export function evictionMessage(threshold: Threshold, observation: Observation, use: PodUse): string {
  const resource = resourceOf(threshold.signal);
  const isCount = resource === 'inodes' || resource === 'pids';
  const available = quantityFromValue(observation.available, isCount ? 'DecimalSI' : 'BinarySI');
  let message = `The node was low on resource: ${resource}. Threshold quantity: ${minimumTextOf(threshold, observation)}, available: ${formatQuantity(available)}. `;
  const podRequest = resource === 'memory' ? use.pod.spec.resources?.requests?.memory : undefined;
  if (podRequest !== undefined)
    message += `Pod ${use.pod.metadata.name} was using ${bytesText(use.memoryBytes)}, request is ${podRequest}, has larger consumption of ${resource}. `;
  for (const { name, used, request } of exceedingContainers(resource, use))
    message += `Container ${name} was using ${used}, request is ${request}, has larger consumption of ${resource}. `;
  return message;
}

/** The same for machines, in annotations of the event. */
export function evictionAnnotations(signal: Signal, use: PodUse): Record<string, string> {
  const resource = resourceOf(signal);
  const exceeding = exceedingContainers(resource, use);
  const isOfPod = resource === 'memory' && use.pod.spec.resources?.requests?.memory !== undefined;
  return {
    ...(isOfPod && {
      offending_pod: use.pod.metadata.name,
      offending_pod_usage: bytesText(use.memoryBytes),
    }),
    offending_containers: exceeding.map(({ name }) => name).join(),
    offending_containers_usage: exceeding.map(({ used }) => used).join(),
    starved_resource: resource,
  };
}

function* eachContainer({ pod }: PodUse) {
  yield* pod.spec.initContainers ?? [];
  yield* pod.spec.containers;
}

/** Containers that use more than they requested, where single containers are measured. */
function exceedingContainers(resource: Resource, use: PodUse) {
  const exceeding: { name: string; used: string; request: string }[] = [];
  if (resource !== 'memory' && resource !== 'ephemeral-storage') return exceeding;
  for (const { name, resources } of eachContainer(use)) {
    const own = use.containers.get(name);
    if (!own) continue;
    const used = resource === 'memory' ? own.memoryBytes : own.diskBytes;
    const request = resources?.requests?.[resource] ?? '0';
    if (used > wholeValueOf(request)) exceeding.push({ name, used: bytesText(used), request });
  }
  return exceeding;
}

/** A given amount in its canonical form; for a fraction of the capacity the bytes, even when inodes are counted. */
function minimumTextOf(threshold: Threshold, { capacity }: Observation): string {
  if (threshold.minimumText !== undefined) return formatQuantity(parseQuantity(threshold.minimumText));
  return formatBytes(minimumOf(threshold, capacity));
}

export function pressureOf(signals: Iterable<Signal>) {
  const pressure = { memoryPressure: false, diskPressure: false, pidPressure: false };
  for (const signal of signals) {
    if (resourceOf(signal) === 'memory') pressure.memoryPressure = true;
    else if (signal === 'pid.available') pressure.pidPressure = true;
    else pressure.diskPressure = true;
  }
  return pressure;
}

function bytesText(amount: number): string {
  // In whole Ki, as upstream reads them from the kernel.
  return formatBytes(Math.floor(amount / 1024) * 1024);
}

function formatBytes(amount: number): string {
  return formatQuantity(quantityFromValue(amount, 'BinarySI'));
}

/** Counts what brought pods into the queues, under the event names of upstream's metric. */
import type { ClusterEvent } from '../framework/plugin.ts';

/** A change in the cluster, or upstream's name for any other cause. */
export type ArrivalCause =
  | ClusterEvent
  | 'UnschedulablePodAdd'
  | 'UnschedulablePodUpdate'
  | 'AssignedPodDelete'
  | 'ScheduleAttemptFailure'
  | 'BackoffComplete'
  | 'PopFromBackoffQ'
  | 'UnschedulableTimeout';

interface Arrivals {
  labels: { event: string; queue: string };
  value: number;
}

export class QueueArrivals {
  readonly #counts = new Map<string, Arrivals>();

  count(queue: 'active' | 'backoff' | 'unschedulable', cause: ArrivalCause): void {
    const event = typeof cause === 'string' ? cause : labelOf(cause);
    const key = `${queue} ${event}`;
    const known = this.#counts.get(key);
    if (known) known.value++;
    else this.#counts.set(key, { labels: { event, queue }, value: 1 });
  }

  samples(): Iterable<Arrivals> {
    return this.#counts.values();
  }
}

function labelOf({ resource, change }: ClusterEvent): string {
  if (change === 'labels' && resource !== 'Node')
    return `${resourceWords[resource] ?? resource}UpdatePodLabel`;
  return `${resourceWords[resource] ?? resource}${changeWords[change]}`;
}

const resourceWords: Readonly<Partial<Record<ClusterEvent['resource'], string>>> = {
  TargetPod: 'UnschedulablePod',
  StorageClass: 'storage.k8s.io/StorageClass',
  CSINode: 'storage.k8s.io/CSINode',
  CSIDriver: 'storage.k8s.io/CSIDriver',
  CSIStorageCapacity: 'storage.k8s.io/CSIStorageCapacity',
  VolumeAttachment: 'storage.k8s.io/VolumeAttachment',
  ResourceClaim: 'resource.k8s.io/ResourceClaim',
  ResourceSlice: 'resource.k8s.io/ResourceSlice',
  DeviceClass: 'resource.k8s.io/DeviceClass',
  DeviceTaintRule: 'resource.k8s.io/DeviceTaintRule',
};

const changeWords: Readonly<Record<ClusterEvent['change'], string>> = {
  add: 'Add',
  delete: 'Delete',
  update: 'Update',
  allocatable: 'UpdateNodeAllocatable',
  labels: 'UpdateNodeLabel',
  taints: 'UpdateNodeTaint',
  scaleDown: 'UpdatePodScaleDown',
  tolerations: 'UpdatePodToleration',
  schedulingGates: 'UpdatePodSchedulingGatesEliminated',
  resourceClaims: 'UpdatePodGeneratedResourceClaim',
};

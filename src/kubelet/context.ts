/** The context that the parts of one kubelet share. */
import type { Pod, Service } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events/event-recorder.ts';
import type { WaitBackoff } from './containers/crash-backoff.ts';
import type { ContainerConfig } from './cri/messages.ts';
import type { ContainerRuntime } from './cri/runtime.ts';
import type { DeviceAllocator, DeviceInventory } from './devices/device-allocator.ts';
import type { DeviceMetrics } from './devices/device-metrics.ts';
import type { ClaimedDevices } from './dynamic-resources/node-claims.ts';
import type { ImageManager } from './images/image-manager.ts';
import type { ImageMetrics } from './images/image-metrics.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { Machine } from './machine.ts';
import type { ObjectSource } from './object-source.ts';
import type { StartTimes } from './pod/pod-start-latency.ts';
import type { PodCounts } from './pod-metrics.ts';
import type { ProbeManager } from './probes/probe-manager.ts';
import type { ResizeProblem } from './resize.ts';
import type { SandboxStarts } from './sandbox/sandbox-starts.ts';
import type { NodeFacts } from './spec/field-paths.ts';
import type { StatusManager } from './status-manager.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

/** The cluster's rules for the traffic of the node's pods. */
export interface TrafficRules {
  /** Resolves when what is known by now is in force for the pods that have addresses by now. */
  inForce(): Promise<void>;
  /** Why it is not; undefined: nothing is known to be wrong. */
  problem(): string | undefined;
}

export interface KubeletContext {
  client: Client;
  runtime: ContainerRuntime;
  /** As in container ids: `containerd`. */
  runtimeName: string;
  machine: Machine;
  clock: Clock;
  random: Random;
  logger: Logger;
  recorder: EventRecorder;
  /** Ends everything. */
  signal: AbortSignal;
  objects: ObjectSource;
  images: ImageManager;
  sandboxStarts: SandboxStarts;
  probes: ProbeManager;
  volumes: PodVolumes;
  statuses: StatusManager;
  crashBackoff: WaitBackoff;
  devices: DeviceAllocator & Pick<DeviceInventory, 'ofContainer'>;
  claims: ClaimedDevices;
  /** Resolves with what the runtime is to be told so that the container has its CDI devices. @throws Error */
  injectDevices(podUid: string, config: ContainerConfig): Promise<ContainerConfig>;
  clusterDns: readonly string[];
  clusterDomain: string;
  seccompRoot: string;
  /** Whether containers that name no seccomp profile have the runtime's. */
  seccompDefault: boolean;
  memoryCapacityBytes: number;
  /** Of the node; fresh at every call. */
  node(): NodeFacts;
  servicesFor(pod: Pod): Iterable<Service>;
  /** Undefined: ready. Else why pods cannot get their network yet. */
  networkProblem(): string | undefined;
  trafficRules: TrafficRules;
  /** Whether this handler of the runtime can make what is below a read-only mount read-only too. */
  hasRecursiveReadOnly(runtimeHandler: string): boolean;
  /** Why the node cannot take the pod; undefined: it can. */
  admit(pod: Pod): Promise<{ reason: string; message: string } | undefined>;
  /**
   * Why a pod that runs cannot have the resources that its spec asks for now; undefined: it can. `granted`: as it has
   * them by now.
   */
  findResizeProblem(pod: Pod, granted: Pod): ResizeProblem | undefined;
  /** A pod asks for other amounts than before, or for none any more: others may be waiting for that. */
  resourcesFreed(): void;
  /** Says whose a container or sandbox is, so that events about it find the pod. */
  track(id: string, podUid: string): void;
  counts: PodCounts;
  /** Observes how long things took, in seconds. */
  timings: {
    podStart(seconds: number): void;
    podRuns(took: StartTimes): void;
    sync(operation: string, seconds: number): void;
    relist: KubeletMetrics['relist'];
    orphanFound(): void;
    orphanVolumes(cleaned: number, failed: number): void;
    images: ImageMetrics;
    devices: DeviceMetrics;
  };
}

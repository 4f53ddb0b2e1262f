/** The context that the parts of one kubelet share. */
import type { Pod, Service } from '../api/resources.gen.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events/event-recorder.ts';
import type { WaitBackoff } from './containers/crash-backoff.ts';
import type { ContainerConfig, RuntimeHandler } from './cri/messages.ts';
import type { ContainerRuntime } from './cri/runtime.ts';
import type { DeviceAllocator, DeviceInventory } from './devices/device-allocator.ts';
import type { DeviceMetrics } from './devices/device-metrics.ts';
import type { ClaimedDevices } from './dynamic-resources/node-claims.ts';
import type { ImageManager } from './images/image-manager.ts';
import type { ImageMetrics } from './images/image-metrics.ts';
import type { Machine } from './machine.ts';
import type { KubeletMetrics } from './metrics/kubelet-metrics.ts';
import type { PodCounts } from './metrics/pod-metrics.ts';
import type { ObjectSource } from './object-source.ts';
import type { PodStarts } from './pod/pod-starts.ts';
import type { StartTimes } from './pod/status/pod-start-latency.ts';
import type { StatusManager } from './pod/status/status-manager.ts';
import type { ProbeManager } from './probes/probe-manager.ts';
import type { ResizeProblem } from './resources/resize.ts';
import type { SandboxStarts } from './sandbox/sandbox-starts.ts';
import type { UserNamespaces } from './sandbox/user-namespaces.ts';
import type { NodeFacts } from './spec/field-paths.ts';
import type { PodVolumes } from './volumes/pod-volumes.ts';

/** The cluster's rules for traffic of the node's pods. */
export interface TrafficRules {
  /** Resolves when what is known at the time of the call applies to the pods that have addresses at that time. */
  inForce(): Promise<void>;
  /** Why the rules do not apply; undefined: no problem is known. */
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
  /** Stops everything. */
  signal: AbortSignal;
  objects: ObjectSource;
  images: ImageManager;
  sandboxStarts: SandboxStarts;
  podStarts: PodStarts;
  userNamespaces: UserNamespaces;
  probes: ProbeManager;
  volumes: PodVolumes;
  statuses: StatusManager;
  crashBackoff: WaitBackoff;
  devices: DeviceAllocator & Pick<DeviceInventory, 'ofContainer'>;
  claims: ClaimedDevices;
  /** Resolves with what the runtime must be given for the container to have its CDI devices. @throws Error */
  injectDevices(podUid: string, config: ContainerConfig): Promise<ContainerConfig>;
  clusterDns: readonly string[];
  clusterDomain: string;
  seccompRoot: string;
  /** Whether containers without a seccomp profile get the runtime's default. */
  seccompDefault: boolean;
  memoryCapacityBytes: number;
  /** Of the node; fresh at every call. */
  node(): NodeFacts;
  servicesFor(pod: Pod): Iterable<Service>;
  /** Undefined: ready. Otherwise why pods cannot get their network yet. */
  networkProblem(): string | undefined;
  trafficRules: TrafficRules;
  /** What the runtime last said that its handlers can do. */
  runtimeHandlers(): readonly RuntimeHandler[];
  /** Whether this handler of the runtime can make mounts read-only recursively. */
  hasRecursiveReadOnly(runtimeHandler: string): boolean;
  /** Why the node cannot take the pod; undefined: it can. */
  admit(pod: Pod): Promise<{ reason: string; message: string } | undefined>;
  /**
   * Why a running pod cannot have the resources that its spec now asks for; undefined: it can. `granted`: with its
   * present resources.
   */
  findResizeProblem(pod: Pod, granted: Pod): ResizeProblem | undefined;
  /** A pod's requests have changed or ended: other pods may be waiting for the resources. */
  resourcesFreed(): void;
  /** Records to which pod a container or sandbox belongs, so that events about it find the pod. */
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

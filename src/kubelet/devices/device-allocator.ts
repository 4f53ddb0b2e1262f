/** What device plugins add to a container. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Device, Mount } from '../cri/messages.ts';

export interface DeviceGrant {
  envs: Record<string, string>;
  mounts: Mount[];
  devices: Device[];
  annotations: Record<string, string>;
  cdiDevices: string[];
}

export interface DeviceAllocator {
  /**
   * Chooses the devices of all containers of a pod that comes. `hasLeft`: a pod that needs its devices no longer.
   * @throws Error when they are not available, or their plugin refuses
   */
  reserve(pod: Pod, hasLeft: (podUid: string) => boolean): Promise<void>;
  /** What a container needs to use its devices. @throws Error when it has none, and they are not available */
  allocate(pod: Pod, container: core.Container): Promise<DeviceGrant>;
  release(podUid: string): void;
  /** Releases the devices of all pods that are not wanted here: an earlier agent gave them. */
  tidy(isWanted: (podUid: string) => boolean): Promise<void>;
  /** Capacity and allocatable amounts of extended resources, by name. */
  resources(): Record<string, { capacity: number; allocatable: number }>;
}

/** A device of a plugin, and the NUMA nodes close to it, as far as the plugin says. */
export interface KnownDevice {
  resourceName: string;
  id: string;
  numaNodes: readonly number[];
  /** Assumed to be healthy until its plugin says otherwise. */
  isHealthy: boolean;
}

export interface DeviceInventory {
  /** Those that the container has. */
  ofContainer(podUid: string, container: string): KnownDevice[];
  /** All healthy devices, whether in use or not. */
  offered(): KnownDevice[];
}

export const noGrant: DeviceGrant = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] };

/** For nodes without device plugins. */
export const noDevices: DeviceAllocator & DeviceInventory = {
  reserve: async () => undefined,
  allocate: async () => noGrant,
  release: () => undefined,
  tidy: async () => undefined,
  resources: () => ({}),
  ofContainer: () => [],
  offered: () => [],
};

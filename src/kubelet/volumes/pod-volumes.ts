/** The volumes of pods on a node, as the kubelet's core sees them. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import type { ObjectSource } from '../object-source.ts';
import type { NodeFacts } from '../spec/field-paths.ts';

export interface VolumeInputs {
  client: Client;
  objects: ObjectSource;
  clock: Clock;
  random: Random;
  logger: Logger;
  node: () => NodeFacts;
  /** The cluster's CA and the like change files of a pod without the pod changing; told by uid. */
  refreshNeeded(podUid: string): void;
}

export interface MountedVolume {
  /** Absent for an image volume, which the runtime mounts. */
  hostPath?: string;
  image?: string;
  /** Nothing may write to it, whatever the mount says. */
  readOnly?: boolean;
  /** The group that its files belong to besides fsGroup. */
  gid?: number;
}

/** A volume cannot be made ready (yet); the message is what users see in FailedMount events. */
export class VolumeError extends Error {
  readonly volume: string;
  constructor(volume: string, message: string) {
    super(`MountVolume.SetUp failed for volume "${volume}" : ${message}`);
    this.name = 'VolumeError';
    this.volume = volume;
  }
}

export interface SubPathRequest {
  pod: Pod;
  container: core.Container;
  /** Of the mount in the container. */
  index: number;
  volumeName: string;
  root: string;
  subPath: string;
  readOnly: boolean;
}

export interface PodVolumes {
  /**
   * Makes all volumes of the pod ready and their contents current; what is up to date is left alone.
   * @throws VolumeError for the first one that is not possible
   */
  setUp(pod: Pod): Promise<ReadonlyMap<string, MountedVolume>>;
  /** A path that stands for part of a volume and cannot be led out of it by links. @throws Error */
  subPath(request: SubPathRequest): Promise<string>;
  /** What a file of a volume holds, to which no link leads out of it; undefined: there is none. @throws Error */
  readFile(root: string, path: string): Promise<string | undefined>;
  /** When the contents must be looked at again (tokens); undefined: never by themselves. */
  refreshDueMs(podUid: string): number | undefined;
  /** Unmounts and removes everything of the pod. */
  tearDown(podUid: string): Promise<void>;
  /** Uids of pods that have volumes here. */
  list(): Promise<string[]>;
}

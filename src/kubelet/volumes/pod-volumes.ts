/** The volumes of pods on a node, as the kubelet's core sees them. */
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import type { ImageSnapshot } from '../cri/messages.ts';
import type { NodeDrivers } from '../csi/node-drivers.ts';
import type { ObjectSource } from '../object-source.ts';
import type { NodeFacts } from '../spec/field-paths.ts';
import type { StorageMetrics } from './storage-metrics.ts';

export interface VolumeInputs {
  client: Client;
  objects: ObjectSource;
  clock: Clock;
  random: Random;
  logger: Logger;
  node: () => NodeFacts;
  /** The cluster's CA and the like change files of a pod without a change of the pod; reported by uid. */
  refreshNeeded(podUid: string): void;
  csi: CsiNode;
  storage: StorageMetrics;
}

/** What CSI volumes need of the node. */
export interface CsiNode {
  readonly drivers: Pick<NodeDrivers, 'get' | 'refreshLimit'>;
  /** Whether the node's status says that the volume of this unique name is in use. */
  isReportedInUse(volumeName: string): boolean;
  /** Whether the node's status says that it is attached. */
  isOffered(volumeName: string): boolean;
  /** `volumesInUse` has changed. */
  inUseChanged(): void;
  recorder: EventRecorder;
}

export interface MountedVolume {
  /** Absent for an image volume, which is mounted once its image is present. */
  hostPath?: string;
  image?: core.ImageVolumeSource;
  /** Read-only, whatever the mount says. */
  readOnly?: boolean;
  /** The group of its files, in addition to fsGroup. */
  gid?: number;
}

/** A volume is not ready (yet); the message is what users see in FailedMount events. */
export class VolumeError extends Error {
  /** Its name within the pod. */
  readonly volume: string;
  /** It waits for another component: nothing has failed, and nothing is reported until the time limit. */
  readonly isWaiting: boolean;
  /** For the event that reports it. */
  readonly reason: 'FailedMount' | 'FailedMapVolume';

  constructor(
    volume: string,
    message: string,
    options: ErrorOptions & {
      operation?: string;
      shownAs?: string;
      isWaiting?: boolean;
      /** The pod gets a device, not a file system. */
      isMapped?: boolean;
    } = {},
  ) {
    const { operation = 'SetUp', shownAs = volume, isWaiting = false, isMapped = false } = options;
    const what = isMapped ? 'MapVolume' : 'MountVolume';
    super(`${what}.${operation} failed for volume "${shownAs}" : ${message}`, options);
    this.reason = isMapped ? 'FailedMapVolume' : 'FailedMount';
    this.name = 'VolumeError';
    this.volume = volume;
    this.isWaiting = isWaiting;
  }
}

/** The object behind a volume is missing or unsuitable: no mount was attempted. */
export class UnfitVolumeError extends VolumeError {
  /** Without the prefix that says which mount has failed. */
  readonly why: string;

  constructor(volume: string, why: string) {
    super(volume, why);
    this.name = 'UnfitVolumeError';
    this.why = why;
  }
}

/** For each volume of a pod that is not ready, the reason. */
export class VolumesNotReady extends Error {
  readonly problems: readonly VolumeError[];

  constructor(problems: readonly VolumeError[]) {
    super(problems[0]?.message);
    this.name = 'VolumesNotReady';
    this.problems = problems;
  }
}

export interface SubPathRequest {
  pod: Pod;
  container: core.Container;
  /** For the mount in the container. */
  index: number;
  volumeName: string;
  root: string;
  subPath: string;
  readOnly: boolean;
}

/** The usage of a volume. */
export interface VolumeUse {
  /** Its name within the pod. */
  name: string;
  /** Absent: it is the pod's own. */
  claimName?: string;
  availableBytes: number;
  capacityBytes: number;
  usedBytes: number;
  inodes: number;
  inodesFree: number;
  inodesUsed: number;
}

export interface PodVolumes {
  /**
   * Makes all volumes that the pod's containers use ready and their contents current; what is up to date is left alone.
   * @throws VolumesNotReady
   */
  setUp(pod: Pod): Promise<ReadonlyMap<string, MountedVolume>>;
  /** Mounts the files of a present image; returns the path. @throws Error */
  mountImage(pod: Pod, volumeName: string, snapshot: ImageSnapshot): Promise<string>;
  /** A path to a part of a volume that links cannot lead out of it. @throws Error */
  subPath(request: SubPathRequest): Promise<string>;
  /**
   * The content of a file in a volume, to which no link may lead from outside; undefined: there is none. @throws Error
   */
  readFile(root: string, path: string): Promise<string | undefined>;
  /** When the contents must be checked again (tokens); undefined: only on changes. */
  refreshDueMs(podUid: string): number | undefined;
  /** Unmounts and removes everything of the pod. */
  tearDown(podUid: string): Promise<void>;
  /** Uids of pods that have volumes here. */
  list(): Promise<string[]>;
  /**
   * For volumes with files of the pod or of its claims, as far as it is known: block devices have none, folders of the
   * node and images belong to others.
   */
  usage(pod: Pod): Promise<VolumeUse[]>;
  /** Cleans up volumes on the node that belong to no pod. */
  clearUnused(): Promise<void>;
  /** Whether a volume that the pod waits for cannot be attached because the node has as many as it takes. */
  isAttachLimitReached(pod: Pod): Promise<boolean>;
  /** Unique names of attached volumes that must remain attached, as in a node's status. */
  volumesInUse(): string[];
}

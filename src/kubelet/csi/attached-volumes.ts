/**
 * Volumes that must be attached to the node before it uses them. The node's status says which ones it uses, so that
 * they are not detached, and which ones it may use: nothing is assumed beyond what both sides have written there.
 */
import { createHash } from 'node:crypto';
import { VolumeAttachment } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { VolumeError } from '../volumes/pod-volumes.ts';
import type { VolumeRecord } from './volume-records.ts';

export interface AttachedVolumesOptions {
  client: Client;
  /** Whether the node's status says that the volume of this name is in use here: it is not detached then. */
  isReportedInUse(volumeName: string): boolean;
  /** Whether the node's status says that it is attached; the entry is removed before it is detached. */
  isOffered(volumeName: string): boolean;
  /** The answer of `inUse` has changed, or has not been reported yet. */
  inUseChanged(): void;
}

export class AttachedVolumes {
  readonly #options: AttachedVolumesOptions;
  /** Volumes that are or may be on the node, by upstream's unique names. */
  readonly #held = new Set<string>();
  /** Volumes that pods wait for, with the uids of the pods. */
  readonly #awaited = new Map<string, { record: VolumeRecord; pods: Set<string> }>();

  constructor(options: AttachedVolumesOptions) {
    this.#options = options;
  }

  /** By unique names, as the node's status has them. */
  inUse(): string[] {
    return [...new Set([...this.#held, ...this.#awaited.keys()])].sort();
  }

  /** Returns the attacher's data for the driver. @throws VolumeError that merely waits, while it is not attached yet */
  async awaitFor(podUid: string, name: string, record: VolumeRecord): Promise<Record<string, string>> {
    if (record.attachable === 'no') return {};
    const { isReportedInUse, isOffered, inUseChanged } = this.#options;
    const uniqueName = uniqueVolumeName(record);
    const awaited = this.#awaited.get(uniqueName) ?? { record, pods: new Set() };
    awaited.pods.add(podUid);
    this.#awaited.set(uniqueName, awaited);
    const wait = (why: string) => new VolumeError(name, why, { isWaiting: true });
    if (!isReportedInUse(uniqueName)) {
      inUseChanged();
      throw wait('the node does not tell yet that it uses the volume');
    }
    const notYet = 'the volume is not attached yet';
    if (!isOffered(uniqueName)) throw wait(notYet);
    const attachment = await this.#attachmentOf(record);
    if (!attachment?.status?.attached || attachment.metadata.deletionTimestamp) throw wait(notYet);
    return attachment.status.attachmentMetadata ?? {};
  }

  /** The attacher has said that the node has as many volumes as it takes. */
  async isLimitReached(record: VolumeRecord): Promise<boolean> {
    const attachment = await this.#attachmentOf(record);
    return attachment?.status?.attachError?.errorCode === resourceExhausted;
  }

  /** Volumes that the pod has asked for and may still wait for. */
  awaitedBy(podUid: string): VolumeRecord[] {
    return [...this.#awaited.values()].filter(({ pods }) => pods.has(podUid)).map(({ record }) => record);
  }

  #attachmentOf(record: VolumeRecord): Promise<VolumeAttachment | undefined> {
    const name = attachmentName(record);
    return this.#options.client.get(VolumeAttachment, { name }).catch(undefinedIfNotFound);
  }

  /** The pod no longer waits for any volume. */
  forgetPod(podUid: string): void {
    for (const [name, { pods }] of this.#awaited)
      if (pods.delete(podUid) && pods.size === 0) {
        this.#awaited.delete(name);
        if (!this.#held.has(name)) this.#options.inUseChanged();
      }
  }

  hold(record: VolumeRecord): void {
    if (record.attachable === 'yes') this.#held.add(uniqueVolumeName(record));
  }

  letGo(record: VolumeRecord): void {
    if (this.#held.delete(uniqueVolumeName(record))) this.#options.inUseChanged();
  }
}

/** gRPC's number of the code that attachers give then. */
const resourceExhausted = 8;

function uniqueVolumeName({ driverName, volumeHandle }: VolumeRecord): string {
  return `kubernetes.io/csi/${driverName}^${volumeHandle}`;
}

/** The name of the VolumeAttachment that the attach-detach controller creates for a node. */
function attachmentName({ driverName, volumeHandle, nodeName }: VolumeRecord): string {
  const digest = createHash('sha256').update(`${volumeHandle}${driverName}${nodeName}`).digest('hex');
  return `csi-${digest}`;
}

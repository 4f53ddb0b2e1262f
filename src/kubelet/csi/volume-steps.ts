/**
 * The steps that bring a volume from its driver into a pod's folder, and back. Each is recorded before it is taken, so
 * that it can be undone after a crash.
 */

import { mkdir, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CSIDriver, Pod } from '../../api/resources.gen.ts';
import type { Clock } from '../../base/clock.ts';
import { run } from '../../base/system/command.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { isMounted } from '../linux/mounts.ts';
import type { ObjectSource } from '../object-source.ts';
import { giveToPodsGroup } from '../volumes/directories/group-change.ts';
import type { TokenSource } from '../volumes/projected/token-source.ts';
import type { AttachedVolumes } from './attached-volumes.ts';
import { isGivenToGroup, podContext, volumeCapability } from './capability.ts';
import { type DriverClient, mayGoOn } from './driver-client.ts';
import { driverTokens, secretData } from './driver-secrets.ts';
import type { VolumeCapability } from './messages.ts';
import type { NodeDrivers } from './node-drivers.ts';
import type { PublishedVolume, StagedVolume, VolumeRecords } from './volume-records.ts';
import type { WantedVolume } from './wanted-volume.ts';

export interface VolumeStepsOptions {
  clock: Clock;
  recorder: EventRecorder;
  records: VolumeRecords;
  attached: Pick<AttachedVolumes, 'hold' | 'letGo'>;
  objects: Pick<ObjectSource, 'get'>;
  tokens: TokenSource;
  drivers: Pick<NodeDrivers, 'get'>;
}

/** What is needed to stage a volume on the node. */
export interface Staging {
  driver: DriverClient;
  wanted: WantedVolume;
  capability: VolumeCapability;
  /** What the attachment tells the driver. */
  publishContext: Record<string, string>;
}

/** What is needed to publish a staged volume to a pod. */
export interface Publication extends Staging {
  driverObject: CSIDriver | undefined;
  published: PublishedVolume;
}

export class VolumeSteps {
  readonly #options: VolumeStepsOptions;
  /** Folders of volumes that may or may not be staged. */
  readonly #uncertain = new Set<string>();

  constructor(options: VolumeStepsOptions) {
    this.#options = options;
  }

  /** How the pod is to use the volume, as far as its driver can tell the difference. */
  async capability(pod: Pod, driver: DriverClient, wanted: WantedVolume): Promise<VolumeCapability> {
    const { fsGroup } = pod.spec.securityContext ?? {};
    const mountGroup =
      fsGroup !== undefined && (await driver.can('VOLUME_MOUNT_GROUP')) ? fsGroup : undefined;
    return volumeCapability({
      accessMode: wanted.accessModes[0] ?? 'ReadWriteOnce',
      isBlock: wanted.record.volumeMode === 'Block',
      fsType: wanted.source.fsType,
      mountFlags: wanted.mountOptions,
      mountGroup,
      knowsSingleWriters: await driver.can('SINGLE_NODE_MULTI_WRITER'),
    });
  }

  /** Mounts the volume in the node's own folder, where its driver does that. @throws Error as the driver gives it */
  async stage({ driver, wanted: { record, source }, capability, publishContext }: Staging): Promise<void> {
    const staged = this.#options.records.staged(record);
    const wasStaged = (await this.#options.records.exists(staged)) && !this.#uncertain.has(staged.folder);
    // Also for a driver that does not stage: an attached volume is in use until it is given up.
    await this.#options.records.remember(staged);
    this.#options.attached.hold(record);
    if (!(await driver.can('STAGE_UNSTAGE_VOLUME'))) return;
    const secrets = await secretData(this.#options.objects, source.nodeStageSecretRef);
    await mkdir(staged.path, { recursive: true, mode: 0o750 });
    try {
      await driver.stage({
        volumeId: record.volumeHandle,
        publishContext,
        stagingTargetPath: staged.path,
        volumeCapability: capability,
        secrets,
        volumeContext: source.volumeAttributes ?? {},
      });
      this.#uncertain.delete(staged.folder);
    } catch (error) {
      if (!wasStaged) await this.#noteFailure(staged, error);
      throw error;
    }
  }

  /**
   * When the driver's answer is final, nothing is staged. Otherwise the outcome is unknown, and the driver is asked to
   * unstage in the end.
   */
  async #noteFailure(staged: StagedVolume, error: unknown): Promise<void> {
    if (mayGoOn(error)) {
      this.#uncertain.add(staged.folder);
      return;
    }
    this.#uncertain.delete(staged.folder);
    await removeTarget(staged.path);
    await this.#options.records.forget(staged);
  }

  /** Mounts the volume in the pod's folder. @throws Error as the driver gives it */
  async publish(
    pod: Pod,
    { driver, driverObject, wanted, capability, publishContext, published }: Publication,
  ): Promise<void> {
    const { record, source, accessModes, readOnly } = wanted;
    const isEphemeral = record.volumeLifecycleMode === 'Ephemeral';
    const isStaged = !isEphemeral && (await driver.can('STAGE_UNSTAGE_VOLUME'));
    const tokens = await driverTokens(this.#options.tokens, pod, driverObject);
    await this.#options.records.remember(published);
    await mkdir(dirname(published.target), { recursive: true, mode: 0o750 });
    await driver.publish({
      volumeId: record.volumeHandle,
      publishContext,
      stagingTargetPath: isStaged ? this.#options.records.staged(record).path : '',
      targetPath: published.target,
      volumeCapability: capability,
      readonly: readOnly,
      secrets: {
        ...(await secretData(this.#options.objects, source.nodePublishSecretRef)),
        ...tokens.secrets,
      },
      volumeContext: {
        ...source.volumeAttributes,
        ...(driverObject?.spec?.podInfoOnMount && podContext(pod, { isEphemeral })),
        ...tokens.context,
      },
    });
    const { fsGroup } = pod.spec.securityContext ?? {};
    if (fsGroup === undefined || record.volumeMode === 'Block' || (await driver.can('VOLUME_MOUNT_GROUP')))
      return;
    const given = { fsType: source.fsType, accessModes, readOnly };
    if (isGivenToGroup(driverObject?.spec?.fsGroupPolicy, given))
      await giveToPodsGroup({ ...this.#options, pod, path: published.target }, fsGroup);
  }

  /** The reverse of {@link publish}; nothing where that has not begun. */
  async unpublish(published: PublishedVolume): Promise<void> {
    const { record, target } = published;
    // Another cleanup was faster.
    if (!(await this.#options.records.exists(published))) return;
    await this.#options.drivers.get(record.driverName).unpublish(record.volumeHandle, target);
    await removeTarget(target);
    await this.#options.records.forget(published);
  }

  /** The reverse of {@link stage}, once no pod on the node has the volume any longer. */
  async unstageUnused(staged: StagedVolume): Promise<void> {
    const { record, path } = staged;
    if (!(await this.#options.records.exists(staged))) {
      this.#options.attached.letGo(record);
      return;
    }
    if (record.volumeLifecycleMode === 'Ephemeral' || (await this.#options.records.isPublished(record)))
      return;
    const driver = this.#options.drivers.get(record.driverName);
    if (await driver.can('STAGE_UNSTAGE_VOLUME')) await driver.unstage(record.volumeHandle, path);
    await removeTarget(path);
    await this.#options.records.forget(staged);
    this.#uncertain.delete(staged.folder);
    this.#options.attached.letGo(record);
  }
}

/** What a driver has left behind; never the content of a volume. */
async function removeTarget(target: string): Promise<void> {
  if (await isMounted(target)) await run('umount', [target]);
  for (const remove of [rmdir, unlink])
    try {
      await remove(target);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return;
      if (code !== 'ENOTDIR' || remove === unlink) throw error;
    }
}

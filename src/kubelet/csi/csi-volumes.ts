/**
 * CSI volumes of pods: attached by the controller, staged once on the node, published to each pod, and all of that in
 * reverse. Only one pod at a time works on a volume.
 */

import { mkdir, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { wholeValueOf } from '../../api/quantity.ts';
import { CSIDriver, type PersistentVolume, type Pod } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { KeyTurns } from '../../base/async/key-turns.ts';
import type { Clock } from '../../base/clock.ts';
import { leastOf } from '../../base/least-of.ts';
import type { Logger } from '../../base/logger.ts';
import { run } from '../../base/system/command.ts';
import { isMounted } from '../linux/mounts.ts';
import type { ObjectSource } from '../object-source.ts';
import { giveToGroup } from '../volumes/ownership.ts';
import { VolumeError } from '../volumes/pod-volumes.ts';
import type { TokenSource } from '../volumes/token-source.ts';
import { AttachedVolumes, type AttachedVolumesOptions } from './attached-volumes.ts';
import { isGivenToGroup, podContext, volumeCapability } from './capability.ts';
import { type DriverClient, mayGoOn } from './driver-client.ts';
import { driverTokens, secretData } from './driver-secrets.ts';
import type { VolumeCapability, VolumeUsage } from './messages.ts';
import type { NodeDrivers } from './node-drivers.ts';
import {
  type PublishedVolume,
  type StagedVolume,
  type VolumeRecord,
  VolumeRecords,
} from './volume-records.ts';
import { claimedVolume, inlineVolume, type WantedVolume } from './wanted-volume.ts';

export interface CsiVolumesOptions extends AttachedVolumesOptions {
  /** The kubelet's folder. */
  rootDir: string;
  clock: Clock;
  logger: Logger;
  objects: Pick<ObjectSource, 'get'>;
  tokens: TokenSource;
  drivers: Pick<NodeDrivers, 'get' | 'refreshLimit'>;
  nodeName(): string;
}

/** What is needed to publish a staged volume to a pod. */
interface Publication {
  driver: DriverClient;
  driverObject: CSIDriver | undefined;
  wanted: WantedVolume;
  capability: VolumeCapability;
  publishContext: Record<string, string>;
  published: PublishedVolume;
}

/** About as often as upstream's kubelet syncs a pod. */
const republishMs = 60_000;

export class CsiVolumes {
  readonly #options: CsiVolumesOptions;
  readonly #records: VolumeRecords;
  readonly #attached: AttachedVolumes;
  /**
   * When a pod's volumes are to be published again, for drivers with `requiresRepublish`, by `podUid/volume`;
   * milliseconds since the epoch.
   */
  readonly #republishMs = new Map<string, number>();
  /**
   * Volumes that have been or may have been staged for pods, by the pods' uids: unstaged even if they were never
   * published.
   */
  readonly #stagedFor = new Map<string, Map<string, StagedVolume>>();
  /** Folders of volumes that may or may not be staged. */
  readonly #uncertain = new Set<string>();
  readonly #turns = new KeyTurns();
  readonly #ready: Promise<void>;

  constructor(options: CsiVolumesOptions) {
    this.#options = options;
    this.#records = new VolumeRecords(options.rootDir);
    this.#attached = new AttachedVolumes(options);
    this.#ready = this.#recall();
    // The failure reaches the callers that wait for it.
    this.#ready.catch(() => undefined);
  }

  /** As the node's status names them: they must stay attached. */
  volumesInUse(): string[] {
    return this.#attached.inUse();
  }

  /** Only for drivers whose number of volumes may change; it is then asked for anew. */
  async isAttachLimitReached({ metadata }: Pod): Promise<boolean> {
    const { drivers, logger } = this.#options;
    for (const record of this.#attached.awaitedBy(metadata.uid)) {
      const { driverName } = record;
      try {
        const driver = await this.#driverObject(driverName);
        if (!driver?.spec?.nodeAllocatableUpdatePeriodSeconds) continue;
        if (!(await this.#attached.isLimitReached(record))) continue;
      } catch (error) {
        // An unavailable server is no reason to refuse a pod.
        logger.info('the attachment of a volume cannot be read', { volume: record.specVolID, error });
        continue;
      }
      await drivers.refreshLimit(driverName).catch((error: unknown) => {
        logger.warn('a driver does not say how many volumes the node takes', { driver: driverName, error });
      });
      return true;
    }
    return false;
  }

  /** Returns the path of a claim's volume. @throws VolumeError */
  async mountClaimed(
    pod: Pod,
    name: string,
    volume: PersistentVolume,
    { readOnly }: { readOnly: boolean },
  ): Promise<string> {
    const driver = await this.#driverObject(volume.spec!.csi!.driver);
    const isAttachable = driver?.spec?.attachRequired ?? true;
    const wanted = claimedVolume(volume, { readOnly, isAttachable, nodeName: this.#options.nodeName() });
    return this.#mount(pod, name, wanted, driver);
  }

  /** Returns the path of a volume that is created and deleted with its pod. @throws VolumeError */
  async mountInline(pod: Pod, name: string, inline: core.CSIVolumeSource): Promise<string> {
    const wanted = inlineVolume(pod, name, inline, this.#options.nodeName());
    this.#driverFor(name, wanted.record);
    const driver = await this.#driverObject(inline.driver);
    const modes = driver?.spec?.volumeLifecycleModes ?? (driver ? ['Persistent'] : undefined);
    if (!modes?.includes('Ephemeral')) {
      const why = modes
        ? `only supports ${JSON.stringify(modes).replaceAll(',', ' ')}`
        : 'no CSIDriver object';
      throw new VolumeError(
        name,
        `kubernetes.io/csi: mounter.SetupAt failed to check volume lifecycle mode: volume mode "Ephemeral" not supported by driver ${inline.driver} (${why})`,
      );
    }
    return this.#mount(pod, name, wanted, driver);
  }

  /** Undefined: no driver of the pod's volumes asks for it. */
  republishDueMs(podUid: string): number | undefined {
    const due = [...this.#republishMs].filter(([key]) => key.startsWith(`${podUid}/`)).map(([, ms]) => ms);
    return leastOf(...due);
  }

  isRepublishDue(podUid: string, name: string): boolean {
    return (
      this.#options.clock.now() >= (this.#republishMs.get(`${podUid}/${name}`) ?? Number.POSITIVE_INFINITY)
    );
  }

  /** Grows the file system to the size of the volume. False: the driver has nothing to do for that. */
  async expand(pod: Pod, volume: PersistentVolume): Promise<boolean> {
    const nodeName = this.#options.nodeName();
    const wanted = claimedVolume(volume, { readOnly: false, isAttachable: false, nodeName });
    const { record, source } = wanted;
    return this.#onVolume(record, async () => {
      const driver = this.#options.drivers.get(record.driverName);
      if (!(await driver.can('EXPAND_VOLUME'))) return false;
      await driver.expand({
        volumeId: record.volumeHandle,
        volumePath: this.#records.published(pod.metadata.uid, record).target,
        stagingTargetPath: (await driver.can('STAGE_UNSTAGE_VOLUME'))
          ? this.#records.staged(record).path
          : '',
        capacityRange: { requiredBytes: wholeValueOf(volume.spec?.capacity?.storage ?? '0') },
        volumeCapability: await this.#capability(pod, driver, wanted),
        secrets: await secretData(this.#options.objects, source.nodeExpandSecretRef),
      });
      return true;
    });
  }

  /** Returns all of the pod's volumes to their drivers. @throws Error while a driver does not accept one */
  async tearDown(podUid: string): Promise<void> {
    await this.#ready;
    this.#attached.forgetPod(podUid);
    for (const key of this.#republishMs.keys())
      if (key.startsWith(`${podUid}/`)) this.#republishMs.delete(key);
    await eachInTurn(await this.#records.ofPod(podUid), (published) =>
      this.#onVolume(published.record, async () => {
        const { specVolID: name } = published.record;
        await explained(`UnmountVolume.TearDown failed for volume "${name}"`, () =>
          this.#unpublish(published),
        );
        const staged = this.#records.staged(published.record);
        await explained(`UnmountDevice failed for volume "${name}"`, () => this.#unstageUnused(staged));
      }),
    );
    await eachInTurn([...(this.#stagedFor.get(podUid)?.values() ?? [])], (staged) =>
      this.#onVolume(staged.record, () =>
        explained(`UnmountDevice failed for volume "${staged.record.specVolID}"`, () =>
          this.#unstageUnused(staged),
        ),
      ),
    );
    this.#stagedFor.delete(podUid);
  }

  /** Cleans up volumes that belong to no pod: the kubelet may have ended between two steps. */
  async clearUnused(): Promise<void> {
    await this.#ready;
    await eachInTurn(await this.#allStaged(), (staged) =>
      this.#onVolume(staged.record, () => this.#unstageUnused(staged)),
    );
  }

  /** Statistics of claims by the path of the volume, where the driver reports them. */
  async usage(podUid: string): Promise<Map<string, VolumeUsage[]>> {
    const found = new Map<string, VolumeUsage[]>();
    for (const { record, target } of await this.#records.ofPod(podUid)) {
      if (record.volumeLifecycleMode !== 'Persistent' || record.volumeMode === 'Block') continue;
      const driver = this.#options.drivers.get(record.driverName);
      if (await driver.can('GET_VOLUME_STATS'))
        found.set(target, await driver.stats(record.volumeHandle, target));
    }
    return found;
  }

  async #mount(
    pod: Pod,
    name: string,
    wanted: WantedVolume,
    driverObject: CSIDriver | undefined,
  ): Promise<string> {
    await this.#ready;
    const { record } = wanted;
    const published = this.#records.published(pod.metadata.uid, record);
    await this.#onVolume(record, async () => {
      const isRepublished = driverObject?.spec?.requiresRepublish ?? false;
      if ((await isMounted(published.target)) && !isRepublished) return;
      const driver = this.#driverFor(name, record);
      const publishContext = await this.#attached.awaitFor(pod.metadata.uid, name, record);
      const capability = await this.#capability(pod, driver, wanted);
      const isBlock = record.volumeMode === 'Block';
      if (record.volumeLifecycleMode === 'Persistent')
        await failingAs(isBlock ? 'SetUpDevice' : 'MountDevice', name, record, () =>
          this.#stage(pod, { driver, wanted, capability, publishContext }),
        );
      await failingAs(isBlock ? 'MapPodDevice' : 'SetUp', name, record, () =>
        this.#publish(pod, { driver, driverObject, wanted, capability, publishContext, published }),
      );
      if (isRepublished)
        this.#republishMs.set(`${pod.metadata.uid}/${name}`, this.#options.clock.now() + republishMs);
    });
    return published.target;
  }

  async #capability(pod: Pod, driver: DriverClient, wanted: WantedVolume): Promise<VolumeCapability> {
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

  async #stage(
    pod: Pod,
    {
      driver,
      wanted: { record, source },
      capability,
      publishContext,
    }: {
      driver: DriverClient;
      wanted: WantedVolume;
      capability: VolumeCapability;
      publishContext: Record<string, string>;
    },
  ): Promise<void> {
    const staged = this.#records.staged(record);
    const forPod = this.#stagedFor.get(pod.metadata.uid) ?? new Map<string, StagedVolume>();
    this.#stagedFor.set(pod.metadata.uid, forPod.set(staged.folder, staged));
    const wasStaged = (await this.#records.exists(staged)) && !this.#uncertain.has(staged.folder);
    // Also for a driver that does not stage: an attached volume is in use until it is given up.
    await this.#records.remember(staged);
    this.#attached.hold(record);
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
    await this.#records.forget(staged);
  }

  async #publish(
    pod: Pod,
    { driver, driverObject, wanted, capability, publishContext, published }: Publication,
  ): Promise<void> {
    const { record, source, accessModes, readOnly } = wanted;
    const isEphemeral = record.volumeLifecycleMode === 'Ephemeral';
    const isStaged = !isEphemeral && (await driver.can('STAGE_UNSTAGE_VOLUME'));
    const tokens = await driverTokens(this.#options.tokens, pod, driverObject);
    await this.#records.remember(published);
    await mkdir(dirname(published.target), { recursive: true, mode: 0o750 });
    await driver.publish({
      volumeId: record.volumeHandle,
      publishContext,
      stagingTargetPath: isStaged ? this.#records.staged(record).path : '',
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
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    if (fsGroup === undefined || record.volumeMode === 'Block' || (await driver.can('VOLUME_MOUNT_GROUP')))
      return;
    const given = { fsType: source.fsType, accessModes, readOnly };
    if (isGivenToGroup(driverObject?.spec?.fsGroupPolicy, given))
      await giveToGroup(published.target, fsGroup, fsGroupChangePolicy);
  }

  async #unpublish(published: PublishedVolume): Promise<void> {
    const { record, target } = published;
    // Another cleanup was faster.
    if (!(await this.#records.exists(published))) return;
    await this.#options.drivers.get(record.driverName).unpublish(record.volumeHandle, target);
    await removeTarget(target);
    await this.#records.forget(published);
  }

  async #unstageUnused(staged: StagedVolume): Promise<void> {
    const { record, path } = staged;
    if (!(await this.#records.exists(staged))) {
      this.#attached.letGo(record);
      return;
    }
    if (record.volumeLifecycleMode === 'Ephemeral' || (await this.#records.isPublished(record))) return;
    const driver = this.#options.drivers.get(record.driverName);
    if (await driver.can('STAGE_UNSTAGE_VOLUME')) await driver.unstage(record.volumeHandle, path);
    await removeTarget(path);
    await this.#records.forget(staged);
    this.#uncertain.delete(staged.folder);
    this.#attached.letGo(record);
  }

  /** What an earlier kubelet process had in use. */
  async #recall(): Promise<void> {
    for (const { record } of await this.#allStaged()) this.#attached.hold(record);
    this.#options.inUseChanged();
  }

  #allStaged(): Promise<StagedVolume[]> {
    const { logger } = this.#options;
    return this.#records.allStaged((error) =>
      logger.warn('the record of a volume cannot be read', { error }),
    );
  }

  #driverFor(name: string, record: VolumeRecord): DriverClient {
    try {
      return this.#options.drivers.get(record.driverName);
    } catch (error) {
      throw new VolumeError(
        name,
        `kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: ${(error as Error).message}`,
        { shownAs: record.specVolID },
      );
    }
  }

  #driverObject(name: string): Promise<CSIDriver | undefined> {
    return this.#options.client.get(CSIDriver, { name }).catch(undefinedIfNotFound);
  }

  /** When nobody else works on it. */
  #onVolume<T>({ driverName, volumeHandle }: VolumeRecord, work: () => Promise<T>): Promise<T> {
    return this.#turns.take([`${driverName}^${volumeHandle}`], work);
  }
}

/** A volume that its driver does not take back keeps no other: the first failure is thrown when all have had their turn. */
async function eachInTurn<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const item of items)
    try {
      await work(item);
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw failures[0];
}

async function failingAs(
  operation: string,
  name: string,
  { specVolID, volumeMode }: VolumeRecord,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new VolumeError(name, (error as Error).message, {
      shownAs: specVolID,
      operation,
      isMapped: volumeMode === 'Block',
      cause: error,
    });
  }
}

async function explained(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`${what} : ${(error as Error).message}`, { cause: error });
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

/**
 * CSI volumes of pods: attached by the controller, staged once on the node, published to each pod, and all of that in
 * reverse. Only one pod at a time works on a volume.
 */

import { wholeValueOf } from '../../api/quantities/quantity.ts';
import { CSIDriver, type PersistentVolume, type Pod } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { KeyTurns } from '../../base/async/key-turns.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { EventRecorder } from '../../client/events/event-recorder.ts';
import { isMounted } from '../linux/mounts.ts';
import type { ObjectSource } from '../object-source.ts';
import { VolumeError } from '../volumes/pod-volumes.ts';
import type { TokenSource } from '../volumes/projected/token-source.ts';
import { AttachedVolumes, type AttachedVolumesOptions } from './attached-volumes.ts';
import type { DriverClient } from './driver-client.ts';
import { secretData } from './driver-secrets.ts';
import type { VolumeUsage } from './messages.ts';
import type { NodeDrivers } from './node-drivers.ts';
import { Republishing } from './republishing.ts';
import { type StagedVolume, type VolumeRecord, VolumeRecords } from './volume-records.ts';
import { VolumeSteps } from './volume-steps.ts';
import { claimedVolume, inlineVolume, type WantedVolume } from './wanted-volume.ts';

export interface CsiVolumesOptions extends AttachedVolumesOptions {
  /** The kubelet's folder. */
  rootDir: string;
  clock: Clock;
  logger: Logger;
  recorder: EventRecorder;
  objects: Pick<ObjectSource, 'get'>;
  tokens: TokenSource;
  drivers: Pick<NodeDrivers, 'get' | 'refreshLimit'>;
  nodeName(): string;
}

export class CsiVolumes {
  readonly #options: CsiVolumesOptions;
  readonly #records: VolumeRecords;
  readonly #attached: AttachedVolumes;
  readonly #steps: VolumeSteps;
  readonly #republishing: Republishing;
  /**
   * Volumes that have been or may have been staged for pods, by the pods' uids: unstaged even if they were never
   * published.
   */
  readonly #stagedFor = new Map<string, Map<string, StagedVolume>>();
  readonly #turns = new KeyTurns();
  readonly #ready: Promise<void>;

  constructor(options: CsiVolumesOptions) {
    this.#options = options;
    this.#records = new VolumeRecords(options.rootDir);
    this.#attached = new AttachedVolumes(options);
    this.#steps = new VolumeSteps({ ...options, records: this.#records, attached: this.#attached });
    this.#republishing = new Republishing(options.clock);
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

  /** Milliseconds since the epoch; undefined: no driver of the pod's volumes asks for it. */
  republishDueMs(podUid: string): number | undefined {
    return this.#republishing.dueMs(podUid);
  }

  isRepublishDue(podUid: string, name: string): boolean {
    return this.#republishing.isDue(podUid, name);
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
        volumeCapability: await this.#steps.capability(pod, driver, wanted),
        secrets: await secretData(this.#options.objects, source.nodeExpandSecretRef),
      });
      return true;
    });
  }

  /** Returns all of the pod's volumes to their drivers. @throws Error while a driver does not accept one */
  async tearDown(podUid: string): Promise<void> {
    await this.#ready;
    this.#attached.forgetPod(podUid);
    this.#republishing.forgetPod(podUid);
    await eachInTurn(await this.#records.ofPod(podUid), (published) =>
      this.#onVolume(published.record, async () => {
        const { specVolID: name } = published.record;
        await explained(`UnmountVolume.TearDown failed for volume "${name}"`, () =>
          this.#steps.unpublish(published),
        );
        const staged = this.#records.staged(published.record);
        await explained(`UnmountDevice failed for volume "${name}"`, () => this.#steps.unstageUnused(staged));
      }),
    );
    await eachInTurn([...(this.#stagedFor.get(podUid)?.values() ?? [])], (staged) =>
      this.#onVolume(staged.record, () =>
        explained(`UnmountDevice failed for volume "${staged.record.specVolID}"`, () =>
          this.#steps.unstageUnused(staged),
        ),
      ),
    );
    this.#stagedFor.delete(podUid);
  }

  /** Cleans up volumes that belong to no pod: the kubelet may have ended between two steps. */
  async clearUnused(): Promise<void> {
    await this.#ready;
    await eachInTurn(await this.#allStaged(), (staged) =>
      this.#onVolume(staged.record, () => this.#steps.unstageUnused(staged)),
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
      const capability = await this.#steps.capability(pod, driver, wanted);
      const isBlock = record.volumeMode === 'Block';
      if (record.volumeLifecycleMode === 'Persistent') {
        this.#noteStaging(pod.metadata.uid, this.#records.staged(record));
        await failingAs(isBlock ? 'SetUpDevice' : 'MountDevice', name, record, () =>
          this.#steps.stage({ driver, wanted, capability, publishContext }),
        );
      }
      await failingAs(isBlock ? 'MapPodDevice' : 'SetUp', name, record, () =>
        this.#steps.publish(pod, { driver, driverObject, wanted, capability, publishContext, published }),
      );
      if (isRepublished) this.#republishing.published(pod.metadata.uid, name);
    });
    return published.target;
  }

  #noteStaging(podUid: string, staged: StagedVolume): void {
    const forPod = this.#stagedFor.get(podUid) ?? new Map<string, StagedVolume>();
    this.#stagedFor.set(podUid, forPod.set(staged.folder, staged));
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

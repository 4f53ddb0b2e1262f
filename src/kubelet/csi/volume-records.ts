/**
 * What the kubelet records on disk about CSI volumes, in upstream's places: which volumes a pod was given, and what is
 * staged on the node. Records are written before a driver is called, so that whatever it may have done can be undone.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ifMissing } from '../../base/system/if-missing.ts';
import { replaceFile } from '../../base/system/replace-file.ts';

/** Everything a driver needs in order to undo its work. Upstream's names. */
export interface VolumeRecord {
  driverName: string;
  volumeHandle: string;
  /** The volume's name; for an inline volume, its name in the pod. */
  specVolID: string;
  nodeName: string;
  volumeLifecycleMode: 'Persistent' | 'Ephemeral';
  volumeMode: 'Filesystem' | 'Block';
  /** `yes`: it is attached to the node, and counts as in use until it is unstaged. */
  attachable: 'yes' | 'no';
}

/** A volume of one pod. */
export interface PublishedVolume {
  record: VolumeRecord;
  /** Where the driver publishes it. */
  target: string;
  /** Removed when the volume is unpublished. */
  folder: string;
}

/** A volume that is or may be staged. */
export interface StagedVolume {
  record: VolumeRecord;
  path: string;
  folder: string;
}

const recordFile = 'vol_data.json';
const pluginFolder = 'kubernetes.io~csi';

export class VolumeRecords {
  readonly #rootDir: string;

  /** `rootDir`: the kubelet's. */
  constructor(rootDir: string) {
    this.#rootDir = rootDir;
  }

  published(podUid: string, record: VolumeRecord): PublishedVolume {
    const { specVolID, volumeMode } = record;
    if (volumeMode === 'Block') {
      const folder = join(this.#podFolders(podUid)[1]!, specVolID);
      const target = join(this.#pluginDir, 'volumeDevices', 'publish', specVolID, podUid);
      return { record, target, folder };
    }
    const folder = join(this.#podFolders(podUid)[0]!, specVolID);
    return { record, target: join(folder, 'mount'), folder };
  }

  staged(record: VolumeRecord): StagedVolume {
    const { driverName, volumeHandle } = record;
    const name = createHash('sha256').update(volumeHandle).digest('hex');
    const folder = join(this.#pluginDir, driverName, name);
    return { record, path: join(folder, 'globalmount'), folder };
  }

  async remember(volume: PublishedVolume | StagedVolume): Promise<void> {
    await mkdir(volume.folder, { recursive: true, mode: 0o750 });
    replaceFile(join(volume.folder, recordFile), JSON.stringify(volume.record));
  }

  async forget(volume: PublishedVolume | StagedVolume): Promise<void> {
    for (const name of [recordFile, `${recordFile}.new`])
      await rm(join(volume.folder, name), { force: true });
    // Not recursively: a volume that is still mounted must not be deleted.
    await rmdir(volume.folder);
  }

  async exists(volume: PublishedVolume | StagedVolume): Promise<boolean> {
    return (await readRecord(join(volume.folder, recordFile))) !== undefined;
  }

  async ofPod(podUid: string): Promise<PublishedVolume[]> {
    const records = await Promise.all(this.#podFolders(podUid).map((folder) => readRecords(folder)));
    return records.flat().map((record) => this.published(podUid, record));
  }

  /** `unreadable`: called for entries that describe no volume, which do not hide the others. */
  async allStaged(unreadable: (error: Error) => void): Promise<StagedVolume[]> {
    const drivers = (await readdir(this.#pluginDir).catch(ifMissing([]))).filter(
      (name) => name !== 'volumeDevices',
    );
    const records = await Promise.all(
      drivers.map((name) => readRecords(join(this.#pluginDir, name), unreadable)),
    );
    return records.flat().map((record) => this.staged(record));
  }

  /** Whether any pod has the volume, or may have it. */
  async isPublished({ driverName, volumeHandle }: VolumeRecord): Promise<boolean> {
    for (const uid of await readdir(join(this.#rootDir, 'pods')).catch(ifMissing([])))
      for (const { record } of await this.ofPod(uid))
        if (record.driverName === driverName && record.volumeHandle === volumeHandle) return true;
    return false;
  }

  get #pluginDir(): string {
    return join(this.#rootDir, 'plugins', 'kubernetes.io', 'csi');
  }

  #podFolders(podUid: string): string[] {
    const pod = join(this.#rootDir, 'pods', podUid);
    return ['volumes', 'volumeDevices'].map((folder) => join(pod, folder, pluginFolder));
  }
}

/** In all folders below this one. @throws Error for an unreadable record, unless it is to be reported instead */
async function readRecords(
  folder: string,
  unreadable: (error: Error) => void = (error) => {
    throw error;
  },
): Promise<VolumeRecord[]> {
  const names = await readdir(folder).catch(ifMissing([]));
  const read = (name: string) => readRecord(join(folder, name, recordFile)).catch(unreadable);
  const records = await Promise.all(names.map(read));
  return records.filter((record) => record !== undefined);
}

/** Undefined: there is none. @throws Error that names the folder */
async function readRecord(file: string): Promise<VolumeRecord | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VolumeRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${dirname(file)} describes no volume: ${(error as Error).message}`, { cause: error });
  }
}

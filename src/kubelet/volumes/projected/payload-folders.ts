/**
 * Where the files of configMap, secret, downwardAPI and projected volumes are. Secrets and tokens are kept in memory;
 * upstream's folder names lead there.
 */
import { chmod, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../../api/resources.gen.ts';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { ifMissing } from '../../../base/system/if-missing.ts';
import { isMounted, mountTmpfs } from '../../linux/mounts.ts';

export class PayloadFolders {
  /** One tmpfs for everything that must not reach a disk; pods' folders are links into it. */
  readonly #memoryDir: string;
  #memoryReady: Promise<void> | undefined;

  constructor(rootDir: string) {
    this.#memoryDir = join(rootDir, 'memory');
  }

  /** The folder for the volume's files, which exists then. `volumesDir`: of the pod. */
  async make(pod: Pod, volume: core.Volume, volumesDir: string): Promise<string> {
    const plugin = pluginOf(volume);
    const folder = join(volumesDir, plugin, volume.name);
    if (volume.configMap || volume.downwardAPI) {
      await openFolder(folder, 0o777);
      return folder;
    }
    await this.#ensureMemory();
    const held = join(this.#memoryDir, pod.metadata.uid, plugin, volume.name);
    await openFolder(held, 0o1777);
    await mkdir(join(volumesDir, plugin), { recursive: true, mode: 0o755 });
    await symlink(held, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    return held;
  }

  /** Removes what is in memory for the pod. */
  async remove(podUid: string): Promise<void> {
    await rm(join(this.#memoryDir, podUid), { recursive: true, force: true });
  }

  /** Uids of pods that have files in memory. */
  async list(): Promise<string[]> {
    return await readdir(this.#memoryDir).catch(ifMissing([]));
  }

  /** Once; a failure is retried for the next volume. */
  #ensureMemory(): Promise<void> {
    this.#memoryReady ??= this.#prepareMemory().catch((error: unknown) => {
      this.#memoryReady = undefined;
      throw error;
    });
    return this.#memoryReady;
  }

  async #prepareMemory(): Promise<void> {
    await mkdir(this.#memoryDir, { recursive: true, mode: 0o755 });
    if (!(await isMounted(this.#memoryDir))) await mountTmpfs(this.#memoryDir, 'mode=0755');
  }
}

/** As upstream names folders after plugins. */
function pluginOf(volume: core.Volume): string {
  if (volume.configMap) return 'kubernetes.io~configmap';
  if (volume.secret) return 'kubernetes.io~secret';
  return volume.projected ? 'kubernetes.io~projected' : 'kubernetes.io~downward-api';
}

/** A folder with upstream's permissions for a container's user; an existing one keeps its own. */
async function openFolder(folder: string, mode: number): Promise<void> {
  if ((await mkdir(folder, { recursive: true, mode: 0o755 })) !== undefined) await chmod(folder, mode);
}

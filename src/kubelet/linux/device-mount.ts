/** Mounts the file system on a block device, and creates one first when there is none. */
import { mkdir } from 'node:fs/promises';
import { CommandError, run } from '../../base/system/command.ts';
import { isMounted, mountFileSystem } from './mounts.ts';

export interface DeviceMount {
  device: string;
  target: string;
  /** Empty: ext4, as upstream. */
  fsType: string;
  options: readonly string[];
}

/** Creating a file system on a large device takes time. */
const formatTimeoutMs = 10 * 60_000;

/** @throws Error; a device that holds something else is never written to */
export async function mountDevice({ device, target, options, ...asked }: DeviceMount): Promise<void> {
  const fsType = asked.fsType || 'ext4';
  await mkdir(target, { recursive: true, mode: 0o750 });
  if (await isMounted(target)) return;
  const found = await fileSystemOf(device);
  if (found === undefined) await format(device, fsType);
  try {
    await mountFileSystem({ source: device, target, fsType, options: ['defaults', ...options] });
  } catch (error) {
    if (found === undefined || found === fsType) throw error;
    throw new Error(
      `failed to mount the volume as "${fsType}", it already contains ${found}. Mount error: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** Grows the file system mounted at `target` to the size of its device. @throws Error */
export async function growFileSystem(device: string, target: string): Promise<void> {
  const fsType = await fileSystemOf(device);
  if (fsType === 'xfs') await run('xfs_growfs', ['-d', target], { timeoutMs: formatTimeoutMs });
  else if (fsType && /^ext[34]$/.test(fsType))
    await run('resize2fs', [device], { timeoutMs: formatTimeoutMs });
  else
    throw new Error(
      `ResizeFS.Resize - resize of format ${fsType ?? ''} is not supported for device ${device} mounted at ${target}`,
    );
}

/**
 * Undefined: the device is blank. Anything other than a file system (a partition table) is reported in upstream's
 * words.
 */
async function fileSystemOf(device: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await run('blkid', ['-p', '-s', 'TYPE', '-s', 'PTTYPE', '-o', 'export', device]);
  } catch (error) {
    // It exits with 2 when it finds nothing.
    if (error instanceof CommandError && error.code === 2) return undefined;
    throw error;
  }
  const values = new Map(text.split('\n').map((line) => line.split('=', 2) as [string, string]));
  const type = values.get('TYPE');
  if (type) return type;
  return values.has('PTTYPE') ? 'unknown data, probably partitions' : undefined;
}

async function format(device: string, fsType: string): Promise<void> {
  // Without the confirmation prompt, and without blocks reserved for root.
  const options = fsType === 'ext3' || fsType === 'ext4' ? ['-F', '-m0'] : [];
  await run(`mkfs.${fsType}`, [...options, device], { timeoutMs: formatTimeoutMs });
}
